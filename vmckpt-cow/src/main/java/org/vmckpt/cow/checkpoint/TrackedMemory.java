package org.vmckpt.cow.checkpoint;

import java.util.List;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.memory.GuestMemory;
import org.vmckpt.cow.memory.MemoryTracker;
import org.vmckpt.cow.memory.RamRegion;
import org.vmckpt.cow.memory.UffdAttachment;

/** A guest's memory from one checkpoint of a series to the next: what it writes is known. */
record TrackedMemory(
        List<RamRegion> regions,
        HugePageDiscards discards,
        UffdAttachment attachment,
        MemoryTracker tracker)
        implements AutoCloseable {

    /**
     * Begins to track; at first all of memory counts as written.
     *
     * @param regions from {@link #inspect}, just now
     */
    static TrackedMemory attach(
            GuestSession guest, CheckpointRequest request, List<RamRegion> regions)
            throws VmckptException {
        long guestBytes = regions.stream().mapToLong(RamRegion::sizeBytes).sum();
        long budgetBytes =
                CowBudget.choose(
                        request.cowBudgetBytes(),
                        guestBytes,
                        MemoryTracker.minBudgetBytes(regions));
        HugePageDiscards discards = HugePageDiscards.watch(guest.qmp(), regions);
        UffdAttachment attachment = UffdAttachment.attach(guest.pid(), regions);
        try {
            return new TrackedMemory(
                    regions, discards, attachment, MemoryTracker.start(attachment, budgetBytes));
        } catch (VmckptException | RuntimeException e) {
            attachment.close();
            throw e;
        }
    }

    /** Looks at the guest's memory, and refuses what cannot be captured. */
    static List<RamRegion> inspect(long pid, QmpClient qmp) throws VmckptException {
        List<RamRegion> regions = GuestMemory.inspect(pid, qmp);
        EngineTrial.requireFit(pid, qmp, regions);
        return regions;
    }

    @Override
    public void close() {
        tracker.close();
        attachment.close();
    }
}
