package org.vmckpt.cow.checkpoint;

import java.util.List;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.disk.DiskInventory;
import org.vmckpt.cow.disk.DiskRelease;
import org.vmckpt.cow.disk.GuestDisk;
import org.vmckpt.cow.disk.Leftovers;

/** Takes vmckpt's hands off a guest. */
public final class ReleaseService {
    private ReleaseService() {}

    /**
     * Folds a guest's disks back into the files that it was started with, while it runs, and
     * removes what killed commands left.
     *
     * @return how many overlays are gone
     */
    public static int release(GuestAddress address, ProgressListener progress)
            throws VmckptException {
        try (GuestSession guest = GuestSession.open(address)) {
            List<GuestDisk> disks = DiskInventory.discover(guest.qmp(), guest.pid());
            Leftovers.clean(guest.qmp(), guest.pid(), disks);
            return DiskRelease.release(guest.chains(), disks, progress);
        }
    }
}
