/**
 * The daemon on the host: it will own sessions with guests, schedules, hooks and the API.
 *
 * <p>Nothing of it exists yet: today the command line takes and restores checkpoints in its own
 * process.
 */
@NullMarked
package org.vmckpt.agent;

import org.jspecify.annotations.NullMarked;
