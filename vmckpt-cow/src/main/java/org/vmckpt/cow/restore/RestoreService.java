package org.vmckpt.cow.restore;

import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.store.StoreHold;
import org.vmckpt.cow.hook.Hooks;

/** Brings checkpoints back as new guests. The same checkpoint can be restored many times. */
public final class RestoreService {

    /**
     * Restores a checkpoint. When it fails, what it created is gone again and what was there before
     * is as it was.
     *
     * @throws org.vmckpt.core.ConflictException a path that the new guest needs exists
     * @throws org.vmckpt.core.NotFoundException QEMU, a segment or a file of the guest is missing
     * @throws org.vmckpt.core.UnsupportedException something is tied to the checkpoint's host, or
     *     this host lacks what the guest needs
     * @throws org.vmckpt.core.CorruptException a segment is damaged
     */
    public RestoreReport restore(RestoreRequest request, ProgressListener progress)
            throws VmckptException {
        return restore(request, Hooks.NONE, progress);
    }

    /** The same; hooks are asked before it, and told what became of it. */
    public RestoreReport restore(RestoreRequest request, Hooks hooks, ProgressListener progress)
            throws VmckptException {
        return RestoreHooks.around(
                "restore",
                request,
                hooks,
                () -> bringBack(request, Takeover.NONE, progress),
                report -> report);
    }

    /**
     * In the place of another guest, which makes way before the new QEMU is started. No hooks are
     * asked: whoever has the other guest make way does that before.
     */
    public RestoreReport restore(
            RestoreRequest request, Takeover takeover, ProgressListener progress)
            throws VmckptException {
        return bringBack(request, takeover, progress);
    }

    private static RestoreReport bringBack(
            RestoreRequest request, Takeover takeover, ProgressListener progress)
            throws VmckptException {
        Store store = request.store();
        try (StoreHold _ = store.hold()) {
            // Compaction may have given it other segments since the caller found it.
            RestoreRequest current =
                    request.withManifest(store.find(request.manifest().id().value()));
            return GuestAfterRestore.restore(current, takeover, progress);
        }
    }

    /** Finds what {@link #restore} would find before it changes anything. */
    public void check(RestoreRequest request, Takeover takeover) throws VmckptException {
        var _ = RestorePlan.of(request, takeover);
    }
}
