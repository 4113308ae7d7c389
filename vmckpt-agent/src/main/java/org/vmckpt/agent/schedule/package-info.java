/**
 * When checkpoints are due. A <em>schedule</em> takes checkpoints of one guest; they are a series
 * of the schedule's name, of which {@code keep} says how many stay. Its <em>timing</em> says when
 * the next one is due.
 */
@NullMarked
package org.vmckpt.agent.schedule;

import org.jspecify.annotations.NullMarked;
