package org.vmckpt.cow.checkpoint;

import org.vmckpt.core.VmckptException;

/** How devices, and what RAM is not captured, get into a stream while the guest stands still. */
interface DeviceSaver extends AutoCloseable {
    /** The guest stands still: copies what QEMU does not write. Runs beside the disks' fork. */
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
