package org.vmckpt.cow.memory;

import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.linux.Errno;

/**
 * Saves the originals of pages that the guest writes in the window, and then lets their writers go.
 *
 * <p>Pages that lie together are let go by one call, when the batch of faults in hand is at its end
 * or they have become many. For the fault thread: nothing is allocated and no lock taken.
 */
final class Originals {
    // A sink that takes no slot for so long is stuck; the guest must not be stuck with it.
    private static final long BUDGET_PATIENCE_NANOS = 2_000_000_000L;
    private static final int NEIGHBOUR_UNITS = 8;
    // Their writers wait until the last of them was read.
    private static final int LONGEST_RUN_UNITS = 64;

    private final CaptureState capture;
    private final SlotPool pool;
    private final @Nullable Slot[] openSlots;
    private ServiceTimes times = new ServiceTimes();
    private long budgetWaitNanos;
    private long unitsSaved;
    // Saved, and not let go yet.
    private @Nullable CaptureRegion runRegion;
    private int runFirst;
    private int runCount;
    private int runFaults;

    Originals(CaptureState capture, SlotPool pool) {
        this.capture = capture;
        this.pool = pool;
        this.openSlots = new Slot[capture.regions.size()];
    }

    /** Saves a page that the caller has; its writer is let go here or by {@link #letGo}. */
    void save(CaptureRegion region, int page, long startNanos) {
        if (runCount > 0 && (region != runRegion || page != runFirst + runCount)) {
            letGo(startNanos);
        }
        Slot slot = openSlot(region.index, startNanos);
        if (slot == null) {
            return;
        }
        region.noteFault(page);
        int count = 1 + takeNeighbours(region, page, slot);
        if (read(region, page, count, slot)) {
            runFirst = runCount == 0 ? page : runFirst;
            runRegion = region;
            runCount += count;
            runFaults++;
            if (region.unitsOf(runCount) >= LONGEST_RUN_UNITS) {
                letGo(startNanos);
            }
        }
    }

    /** Whoever writes all over memory writes the neighbours soon: then they cost no fault. */
    private static int takeNeighbours(CaptureRegion region, int page, Slot slot) {
        int neighbours = region.pagesIn(NEIGHBOUR_UNITS);
        int block = page / neighbours * neighbours;
        int limit = Math.min(block + neighbours, page + region.pagesIn(slot.free()));
        return region.states.changeRun(
                page + 1, Math.min(limit, region.pageCount), PageStates.ARMED, PageStates.FAULTING);
    }

    /** Lets the writers of all that was saved go. */
    void letGo(long startNanos) {
        CaptureRegion region = runRegion;
        if (runCount > 0 && region != null && capture.lift(region, runFirst, runCount)) {
            long nanos = System.nanoTime() - startNanos;
            for (int i = 0; i < runFaults; i++) {
                times.record(nanos);
            }
        }
        runCount = 0;
        runFaults = 0;
    }

    /** Reads originals into a slot; false when the capture ends instead. */
    private boolean read(CaptureRegion region, int page, int count, Slot slot) {
        long read = region.read(page, count, slot.nextAddress());
        if (read != region.bytesOf(count)) {
            capture.failCall("pread of guest memory", read < 0 ? read : -Errno.EIO);
            return false;
        }
        slot.add(region.unitsOf(page), region.unitsOf(count));
        unitsSaved += region.unitsOf(count);
        if (slot.free() == 0) {
            openSlots[region.index] = null;
            pool.submit(slot);
        }
        return true;
    }

    private @Nullable Slot openSlot(int region, long startNanos) {
        Slot slot = openSlots[region];
        if (slot == null) {
            slot = pool.tryTake();
            if (slot == null) {
                letGo(startNanos);
                long before = System.nanoTime();
                slot = pool.takeForFaults(BUDGET_PATIENCE_NANOS);
                budgetWaitNanos += System.nanoTime() - before;
            }
            if (slot == null) {
                capture.failBudgetExhausted(BUDGET_PATIENCE_NANOS);
                return null;
            }
            slot.reset(region);
            openSlots[region] = slot;
        }
        return slot;
    }

    // By whoever takes the checkpoint, while the fault thread saves nothing.

    /** A new checkpoint begins. */
    void countAnew() {
        times = new ServiceTimes();
        budgetWaitNanos = 0;
        unitsSaved = 0;
    }

    /** Gives the pool the slots that are not full. */
    void handOver() {
        for (int i = 0; i < openSlots.length; i++) {
            Slot slot = openSlots[i];
            if (slot != null) {
                openSlots[i] = null;
                pool.submit(slot);
            }
        }
    }

    double budgetWaitMicros() {
        return budgetWaitNanos / 1000.0;
    }

    /** What was saved for faults, and beside them. */
    long unitsSaved() {
        return unitsSaved;
    }

    ServiceTimes times() {
        return times;
    }
}
