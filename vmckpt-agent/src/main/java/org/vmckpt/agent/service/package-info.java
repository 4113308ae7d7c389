/**
 * The agent as a process of the host: its start and stop, the signals that it obeys, and what it
 * tells systemd.
 */
@NullMarked
package org.vmckpt.agent.service;

import org.jspecify.annotations.NullMarked;
