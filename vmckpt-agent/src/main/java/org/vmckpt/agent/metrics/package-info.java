/** What the agent counts and measures, under the names that {@code docs/agent.md} promises. */
@NullMarked
package org.vmckpt.agent.metrics;

import org.jspecify.annotations.NullMarked;
