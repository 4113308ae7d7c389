/** The volumes that the agent has served, each by a process that outlives it. */
@NullMarked
package org.vmckpt.agent.volume;

import org.jspecify.annotations.NullMarked;
