package org.vmckpt.cow.checkpoint;

import java.util.Optional;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.StoreHold;
import org.vmckpt.cow.memory.MemoryTracker;

/** Takes checkpoints. */
public final class CheckpointService {
    private CheckpointService() {}

    /**
     * Takes one checkpoint and returns when it is durable.
     *
     * <p>If it fails, nothing of it is visible in the store, the guest runs on, and its disks are
     * as they were. One that the guest voids by giving memory back is taken a few times more.
     */
    public static CheckpointReport checkpoint(CheckpointRequest request, ProgressListener progress)
            throws VmckptException {
        return checkpoint(request, progress, new Cancellation());
    }

    /** The same, and another thread may end it early. */
    public static CheckpointReport checkpoint(
            CheckpointRequest request, ProgressListener progress, Cancellation cancellation)
            throws VmckptException {
        return checkpoint(request, progress, cancellation, PauseProbe.NONE);
    }

    /** The same for a member of a series, of which retention removes the older ones. */
    public static CheckpointReport checkpoint(
            CheckpointRequest request,
            Optional<String> series,
            ProgressListener progress,
            Cancellation cancellation)
            throws VmckptException {
        return checkpoint(request, Lineage.of(series), progress, cancellation, PauseProbe.NONE);
    }

    static CheckpointReport checkpoint(
            CheckpointRequest request,
            ProgressListener progress,
            Cancellation cancellation,
            PauseProbe probe)
            throws VmckptException {
        return checkpoint(request, Lineage.NONE, progress, cancellation, probe);
    }

    private static CheckpointReport checkpoint(
            CheckpointRequest request,
            Lineage lineage,
            ProgressListener progress,
            Cancellation cancellation,
            PauseProbe probe)
            throws VmckptException {
        // Beside the preparation, most of which waits for QEMU.
        Thread.ofPlatform().name("vmckpt-practice").daemon().start(MemoryTracker::practise);
        try (GuestSession guest = CheckpointHooks.openGuest(request)) {
            return Attempts.take(
                    () -> attempt(guest, request, lineage, progress, cancellation, probe),
                    progress,
                    cancellation);
        }
    }

    private static CheckpointReport attempt(
            GuestSession guest,
            CheckpointRequest request,
            Lineage lineage,
            ProgressListener progress,
            Cancellation cancellation,
            PauseProbe probe)
            throws VmckptException {
        try (StoreHold _ = request.store().hold();
                CheckpointRun run =
                        new CheckpointRun(
                                guest, request, lineage, null, progress, cancellation, probe)) {
            return run.take();
        }
    }
}
