package org.vmckpt.cow.disk;

import java.time.Duration;
import java.util.List;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;

/**
 * The fork of all disks at one instant: prepared while the guest runs, done in one QEMU transaction
 * inside the pause, and taken back if the checkpoint fails. For one thread.
 *
 * <p>States: prepared, then either abandoned or forked, then possibly reverted.
 */
public sealed interface DiskFork extends AutoCloseable permits OverlayFork, LibvirtFork {

    /**
     * Makes QEMU flush the disks, so that the fork in the pause finds little left to flush. To be
     * called right before the pause. QEMU's main loop stands still meanwhile; that is short, since
     * the files themselves are flushed from this process first.
     *
     * @param limit for one disk: the pause would flush it once more, and stand as long
     * @throws RefusedException if a disk took longer
     */
    void flush(Duration limit) throws VmckptException;

    /**
     * Lets QEMU read ahead what {@link #begin} then makes it do.
     *
     * @return whether there is anything to do
     */
    boolean stage() throws VmckptException;

    /** QEMU is at it when this returns. */
    void begin() throws VmckptException;

    /** All disks are forked when this returns or, when it fails, none. */
    void awaitEnd() throws VmckptException;

    /** Takes the preparation back, instead of forking or after a fork that failed. */
    void abandon() throws VmckptException;

    /**
     * Undoes a fork while the guest runs; nothing that it wrote since is lost.
     *
     * @throws RefusedException if a disk could not be taken back. Its chain is sound, only longer
     *     by one overlay, which is folded after the next checkpoint.
     */
    void revert(ProgressListener progress) throws VmckptException;

    /**
     * The disks as they were at the fork, for reading.
     *
     * @param disks those that the fork was prepared for
     */
    List<GuestDisk> frozen(List<GuestDisk> disks);

    /** What was frozen is read, or nobody wants to read it. */
    @Override
    void close() throws VmckptException;
}
