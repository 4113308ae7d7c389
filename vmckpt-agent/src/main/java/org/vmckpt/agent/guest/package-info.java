/**
 * The guests that the agent knows. A <em>worker</em> is the one thread in which all jobs of a guest
 * run, one after another. A guest is <em>tracked</em> while its worker keeps a series of
 * checkpoints open, so that the next checkpoint needs only what the guest wrote since the last; the
 * <em>tracking note</em> is the file that tells the next agent what was tracked.
 */
@NullMarked
package org.vmckpt.agent.guest;

import org.jspecify.annotations.NullMarked;
