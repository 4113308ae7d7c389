package org.vmckpt.cow.disk;

import java.nio.file.Path;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;

/** Who shortens the chains of a guest's disks while it runs: we, or libvirt. */
public sealed interface DiskChains permits MonitorChains, LibvirtChains {

    /**
     * Folds the layers from above {@code parent} up to {@code top}, which is not active, into it.
     */
    void fold(GuestDisk disk, DiskLayer parent, DiskLayer top, ProgressListener progress)
            throws VmckptException;

    /**
     * Folds all layers above {@code parent} into it, and makes it the active one.
     *
     * @param active the file that the disk writes now
     */
    void foldActive(GuestDisk disk, Path active, DiskLayer parent, ProgressListener progress)
            throws VmckptException;

    /** Takes a folded overlay out of QEMU and deletes its file. */
    void delete(DiskLayer overlay) throws VmckptException;
}
