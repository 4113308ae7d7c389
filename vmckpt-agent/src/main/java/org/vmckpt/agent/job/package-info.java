/**
 * What takes long and is asked for: a <em>job</em> waits for its turn, runs, and is done, failed or
 * cancelled. All jobs together stay within the limits of the configuration.
 */
@NullMarked
package org.vmckpt.agent.job;

import org.jspecify.annotations.NullMarked;
