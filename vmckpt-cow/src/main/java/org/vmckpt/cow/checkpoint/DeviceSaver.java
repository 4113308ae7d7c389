package org.vmckpt.cow.checkpoint;

import java.nio.file.Path;
import java.util.List;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.memory.RamRegion;

/** How devices, and what RAM is not captured, get into a stream while the guest stands still. */
interface DeviceSaver extends AutoCloseable {
    /**
     * Prepares for one pause of a guest whose memory can be kept out of its device state.
     *
     * @param folder of temporary files in memory; QEMU's user can reach what is in it
     */
    static DeviceSaver choose(GuestSession guest, Path folder, List<RamRegion> memory)
            throws VmckptException {
        if (!IgnoredMemory.isIgnored(guest.pid(), guest.qmp(), memory)
                || PlainDeviceSaver.fits(guest, memory)) {
            return PlainDeviceSaver.prepare(guest, folder, memory);
        }
        return SnapshotSaver.attach(guest.qmp(), folder);
    }

    /** The guest stands still, QEMU forks its disks: copies what QEMU does not write. */
    void readMemory() throws VmckptException;

    /** The guest stands still: lets QEMU read ahead what {@link #begin} tells it. */
    void stage() throws VmckptException;

    /** The guest stands still: makes QEMU begin to write. */
    void begin() throws VmckptException;

    /** When this returns the guest may go on. */
    void awaitEnd() throws VmckptException;

    /** The guest runs again: a stream that a new QEMU can load once shared memory is in place. */
    byte[] stream() throws VmckptException;

    @Override
    void close() throws VmckptException;
}
