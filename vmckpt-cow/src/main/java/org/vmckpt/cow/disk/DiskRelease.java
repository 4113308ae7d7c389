package org.vmckpt.cow.disk;

import java.util.List;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;

/** Gives a running guest its own disk files back, without any overlay of ours. */
public final class DiskRelease {
    private DiskRelease() {}

    /**
     * Folds all our overlays into the files below them.
     *
     * @param disks from {@link DiskInventory#discover}, just now
     * @return how many overlays were folded and deleted
     * @throws RefusedException if one could not be folded; its disk goes on as it is
     */
    public static int release(DiskChains chains, List<GuestDisk> disks, ProgressListener progress)
            throws VmckptException {
        int released = 0;
        for (GuestDisk disk : disks) {
            List<DiskLayer> overlays =
                    disk.layers().reversed().stream().takeWhile(DiskLayer::isOurOverlay).toList();
            if (overlays.isEmpty()) {
                continue;
            }
            if (overlays.size() == disk.layers().size()) {
                throw new RefusedException(
                        "releasing disk "
                                + disk.name()
                                + ": expected a file of its own below "
                                + disk.active().path()
                                + ", found none; it was left as it is");
            }
            DiskLayer parent = disk.layers().get(disk.layers().size() - overlays.size() - 1);
            chains.foldActive(disk, disk.active().path(), parent, progress);
            for (DiskLayer overlay : overlays) {
                chains.delete(overlay);
                released++;
            }
        }
        return released;
    }
}
