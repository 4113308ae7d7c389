/**
 * Brings a checkpoint back as a new guest, on this host or another.
 *
 * <p>A <em>plan</em> is worked out before anything is created or started: the recorded command line
 * is rewritten for this host, and everything that stands in the way is collected as a
 * <em>problem</em>, with what to give against it. Then the disks are <em>materialised</em>: what
 * the checkpoint holds becomes a read-only raw file, and the guest writes to an <em>overlay</em>
 * over it. QEMU is started waiting for a migration, guest memory is filled, and the device state is
 * fed in. On failure everything that the restore made is removed, and nothing else.
 */
@NullMarked
package org.vmckpt.cow.restore;

import org.jspecify.annotations.NullMarked;
