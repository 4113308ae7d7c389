package org.vmckpt.cow.checkpoint;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.StoreHold;
import org.vmckpt.cow.memory.RamRegion;

/**
 * Checkpoints of one guest, one after another. Memory stays protected in between, so each one arms,
 * copies and stores only what the guest wrote since the one before; the first reads all of it and
 * stores what differs from the newest checkpoint of this guest.
 *
 * <p>When one fails, nobody knows which pages are in the store: memory is let go, and the next one
 * is like the first. For one thread.
 */
public final class CheckpointSeries implements AutoCloseable {
    private final CheckpointRequest request;
    private final Optional<String> name;
    private final GuestSession guest;
    private @Nullable Standing standing;
    private @Nullable TrackedMemory memory;
    private Optional<CheckpointId> since = Optional.empty();

    private CheckpointSeries(CheckpointRequest request, String name, GuestSession guest) {
        this.request = request;
        this.name = Optional.of(name);
        this.guest = guest;
    }

    /**
     * Takes hold of the guest; it is not disturbed yet.
     *
     * @param request its engine is always uffd: no other one knows what the guest wrote
     * @param name of the series, by which retention knows what it may remove
     */
    public static CheckpointSeries open(CheckpointRequest request, String name)
            throws VmckptException {
        GuestSession guest = CheckpointHooks.openGuest(request);
        return new CheckpointSeries(request.withEngine(EngineName.UFFD), name, guest);
    }

    /**
     * Takes the next checkpoint and returns when it is durable. One that the guest voids by giving
     * memory back is taken a few times more, from then on like a first one.
     */
    public CheckpointReport take(ProgressListener progress, Cancellation cancellation)
            throws VmckptException {
        return take(request, name, progress, cancellation);
    }

    /**
     * The same for one that differs from the others in its name, its limits, or the series that it
     * is a member of; it stores only what changed, as they do.
     *
     * @param wanted its engine must be uffd or not said, and its guest and store the same
     * @param series empty for a checkpoint that retention never removes
     */
    public CheckpointReport take(
            CheckpointRequest wanted,
            Optional<String> series,
            ProgressListener progress,
            Cancellation cancellation)
            throws VmckptException {
        CheckpointRequest tracked = wanted.withEngine(EngineName.UFFD);
        return Attempts.take(
                () -> attempt(tracked, series, progress, cancellation), progress, cancellation);
    }

    /** The checkpoint since which the guest's memory is tracked; empty when it is not. */
    public Optional<CheckpointId> trackedSince() {
        return since;
    }

    private CheckpointReport attempt(
            CheckpointRequest wanted,
            Optional<String> series,
            ProgressListener progress,
            Cancellation cancellation)
            throws VmckptException {
        boolean done = false;
        try (StoreHold _ = request.store().hold()) {
            List<RamRegion> regions = TrackedMemory.inspect(guest.pid(), guest.qmp());
            dropStaleMemory(regions);
            if (memory == null) {
                memory = TrackedMemory.attach(guest, request, regions);
            }
            if (standing == null) {
                standing = new Standing(guest);
            }
            Lineage lineage = new Lineage(Optional.of(memory), since, series);
            CheckpointReport report = run(wanted, lineage, standing, progress, cancellation);
            since = Optional.of(report.manifest().id());
            done = true;
            return report;
        } finally {
            if (!done) {
                letGo();
            }
        }
    }

    private CheckpointReport run(
            CheckpointRequest wanted,
            Lineage lineage,
            Standing ready,
            ProgressListener progress,
            Cancellation cancellation)
            throws VmckptException {
        try (CheckpointRun run =
                new CheckpointRun(
                        guest, wanted, lineage, ready, progress, cancellation, PauseProbe.NONE)) {
            return run.take();
        }
    }

    /**
     * Memory may have been plugged or given back unseen, and the checkpoint that the next one
     * builds on removed.
     */
    private void dropStaleMemory(List<RamRegion> regions) throws VmckptException {
        if (memory == null) {
            return;
        }
        boolean same = memory.regions().equals(regions) && !memory.discards().happened();
        boolean there = since.isPresent() && Lineage.isThere(request.store(), since.get());
        if (!same || !there) {
            dropMemory();
        }
    }

    private void dropMemory() {
        if (memory != null) {
            memory.close();
        }
        memory = null;
        since = Optional.empty();
    }

    private void letGo() {
        dropMemory();
        if (standing != null) {
            standing.close();
        }
        standing = null;
    }

    /** Lets the guest's memory go; the guest runs on. */
    @Override
    public void close() {
        letGo();
        guest.close();
    }
}
