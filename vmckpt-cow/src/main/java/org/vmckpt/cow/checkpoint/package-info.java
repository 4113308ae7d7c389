/**
 * Takes a checkpoint: one instant of memory, devices and disks, while the guest runs on.
 *
 * <p>A {@link org.vmckpt.cow.checkpoint.GuestSession} is the exclusive hold on one guest. A <em>run
 * </em> prepares everything, has one <em>pause</em>, copies while the guest runs, publishes, and
 * folds. Whatever fails, the run is taken back and the guest goes on.
 */
@NullMarked
package org.vmckpt.cow.checkpoint;

import org.jspecify.annotations.NullMarked;
