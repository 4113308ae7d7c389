package org.vmckpt.cow.memory;

import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.ThreadPriority;
import org.vmckpt.cow.linux.UffdMessages;
import org.vmckpt.cow.linux.Userfaultfd.Awaited;

/**
 * Serves the guest's writes to protected pages: saves the original if a checkpoint wants it, lifts
 * the protection.
 *
 * <p>Runs on one thread for as long as memory is tracked. It allocates nothing and takes no lock;
 * the one thing that it may wait for is a free slot. It goes on reading messages after a failure,
 * because a QEMU that discards memory waits until its message was read.
 */
final class FaultServer implements Runnable {
    private static final int NICENESS = -10;
    // A sink that takes no slot for so long is stuck; the guest must not be stuck with it.
    private static final long BUDGET_PATIENCE_NANOS = 2_000_000_000L;
    private static final long FROZEN_NAP_NANOS = 20_000;
    // Armed ahead, not yet wanted: a neighbour is let go too, and armed again in the same call.
    private static final int NEIGHBOUR_PAGES = 64;
    // What is let go in the last moment before the pause is armed again in the pause.
    private static final int LATE_NEIGHBOUR_PAGES = 8;
    private static final int SAVED_NEIGHBOURS = 8;
    // Their writers wait until the last of them was read.
    private static final int LONGEST_RUN = 64;

    private final CaptureState capture;
    private final SlotPool pool;
    private final CaptureRegion[] regions;
    private final @Nullable Slot[] openSlots;
    private final UffdMessages messages = new UffdMessages();
    private final Discards discards;

    // Set by whoever takes the checkpoint, while this thread is between two batches.
    private volatile Phase phase = Phase.TRACKING;
    private volatile int neighbourPages = NEIGHBOUR_PAGES;
    private ServiceTimes times = new ServiceTimes();
    private long budgetWaitNanos;
    private long unitsSaved;
    // Saved, and not lifted yet: pages that lie together, of the batch in hand.
    private @Nullable CaptureRegion runRegion;
    private int runFirst;
    private int runCount;
    private int runFaults;
    // Written by the fault thread only.
    private long trackedFaults;
    private long wantedPagesLetGo;
    private long batch;
    // Odd while a batch of messages is being served.
    private volatile long batchSequence;

    FaultServer(CaptureState capture, SlotPool pool) {
        this.capture = capture;
        this.pool = pool;
        this.regions = capture.regions.toArray(CaptureRegion[]::new);
        this.openSlots = new Slot[regions.length];
        this.discards = new Discards(capture.regions);
    }

    @Override
    public void run() {
        // A vCPU waits for this thread; without the privilege it runs at the usual priority.
        ThreadPriority.trySetNicenessOfThisThread(NICENESS);
        try {
            Awaited awaited = capture.uffd.await(capture.stopFaults);
            while (awaited == Awaited.MESSAGE) {
                batchSequence = ++batch;
                Phase now = phase;
                if (now != Phase.FROZEN || capture.givenUp()) {
                    serveBatch(now);
                }
                batchSequence = ++batch;
                if (now == Phase.FROZEN) {
                    LockSupport.parkNanos(FROZEN_NAP_NANOS);
                }
                awaited = capture.uffd.await(capture.stopFaults);
            }
            if (awaited == Awaited.BROKEN) {
                capture.failCall("poll of the userfaultfd", -Errno.EIO);
            }
        } catch (Throwable failure) {
            capture.fail(failure);
            // Nobody reads messages any more: a discarding QEMU would wait for ever.
            capture.giveUpDescriptor();
        } finally {
            // Nobody shall wait for the end of a batch that will not come.
            batchSequence = batch + batch % 2;
        }
    }

    private void serveBatch(Phase now) {
        int count = capture.uffd.tryRead(messages);
        if (count < 0) {
            capture.failCall("read of the userfaultfd", count);
            return;
        }
        long start = System.nanoTime();
        for (int i = 0; i < count; i++) {
            if (messages.isWriteFault(i)) {
                serveFault(messages.faultAddress(i), now, start);
            } else if (messages.isRemove(i) && now == Phase.TRACKING) {
                discards.note(messages.removeStart(i), messages.removeEnd(i));
            } else if (messages.isRemove(i)) {
                capture.failDiscarded();
            }
        }
        liftRun(start);
    }

    private void serveFault(long address, Phase now, long startNanos) {
        CaptureRegion region = regionOf(address);
        if (region == null) {
            return;
        }
        int page = region.pageAt(address);
        PageStates states = region.states;
        while (true) {
            byte state = states.get(page);
            if (state == PageStates.COPYING) {
                if (states.change(page, PageStates.COPYING, PageStates.AWAITED)) {
                    return;
                }
            } else if (state == PageStates.AWAITED || state == PageStates.FAULTING) {
                return;
            } else if (states.change(page, state, PageStates.FAULTING)) {
                boolean wanted = state == PageStates.ARMED;
                if (wanted && now == Phase.CAPTURING) {
                    saveForRun(region, page, startNanos);
                } else {
                    trackedFaults++;
                    letGo(region, page, wanted);
                }
                return;
            }
        }
    }

    private @Nullable CaptureRegion regionOf(long address) {
        for (CaptureRegion region : regions) {
            if (region.contains(address)) {
                return region;
            }
        }
        return null;
    }

    /** The lift is left to {@link #liftRun}: neighbours that fault together need one call. */
    private void saveForRun(CaptureRegion region, int page, long startNanos) {
        if (runCount > 0 && (region != runRegion || page != runFirst + runCount)) {
            liftRun(startNanos);
        }
        Slot slot = openSlot(region.index, startNanos);
        if (slot == null) {
            return;
        }
        int count = 1 + takeNeighbours(region, page, slot);
        if (save(region, page, count, slot)) {
            runFirst = runCount == 0 ? page : runFirst;
            runRegion = region;
            runCount += count;
            runFaults++;
            if (runCount >= LONGEST_RUN) {
                liftRun(startNanos);
            }
        }
        if (region.isHuge()) {
            // The next one takes so long to save that this one's writer had better not wait.
            liftRun(startNanos);
        }
    }

    /** Whoever writes all over memory writes the neighbours soon: then they cost no fault. */
    private static int takeNeighbours(CaptureRegion region, int page, Slot slot) {
        if (region.isHuge()) {
            return 0;
        }
        int block = page / SAVED_NEIGHBOURS * SAVED_NEIGHBOURS;
        int limit = Math.min(block + SAVED_NEIGHBOURS, page + slot.free());
        return region.states.changeRun(
                page + 1, Math.min(limit, region.pageCount), PageStates.ARMED, PageStates.FAULTING);
    }

    private void liftRun(long startNanos) {
        CaptureRegion region = runRegion;
        if (runCount > 0 && region != null && lift(region, runFirst, runCount)) {
            long nanos = System.nanoTime() - startNanos;
            for (int i = 0; i < runFaults; i++) {
                times.record(nanos);
            }
        }
        runCount = 0;
        runFaults = 0;
    }

    /** Before the pause: nothing is saved. Neighbours that are wanted anyway go with the page. */
    private void letGo(CaptureRegion region, int page, boolean withNeighbours) {
        int first = page;
        int last = page;
        if (withNeighbours) {
            int neighbours = region.isHuge() ? 1 : neighbourPages;
            int block = page / neighbours * neighbours;
            int limit = Math.min(block + neighbours, region.pageCount);
            while (first > block
                    && region.states.change(first - 1, PageStates.ARMED, PageStates.FAULTING)) {
                first--;
            }
            last += region.states.changeRun(page + 1, limit, PageStates.ARMED, PageStates.FAULTING);
        }
        lift(region, first, last - first + 1);
        wantedPagesLetGo += withNeighbours ? last - first + 1 : 0;
    }

    /** Reads originals into a slot; false when the capture ends instead. */
    private boolean save(CaptureRegion region, int page, int count, Slot slot) {
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
                liftRun(startNanos);
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

    private boolean lift(CaptureRegion region, int page, int count) {
        long size = region.bytesOf(count);
        int result = capture.uffd.tryLift(region.addressOf(page), size);
        if (result < 0 && result != -Errno.EAGAIN) {
            capture.failCall("lifting protection", result);
            return false;
        }
        region.states.set(page, count, PageStates.LOOSE);
        if (result == -Errno.EAGAIN) {
            // A discard waits until we read its message. The writer faults again, after that.
            capture.uffd.tryWake(region.addressOf(page), size);
        }
        return true;
    }

    /**
     * The guest stands still: from now on no page changes its state until the next phase. Messages
     * that are not served yet wait.
     */
    void freeze() {
        enter(Phase.FROZEN);
        discards.letGoAgain();
        times = new ServiceTimes();
        budgetWaitNanos = 0;
        unitsSaved = 0;
    }

    /** Ends the freeze: from now on the first write to an armed page saves it. */
    void startCapturing() {
        phase = Phase.CAPTURING;
    }

    /** The pause is near: no longer are many neighbours let go with a page. */
    void keepNeighbours() {
        neighbourPages = LATE_NEIGHBOUR_PAGES;
    }

    /** No page is wanted any more; hands over what the last slots hold. */
    void endCapturing() {
        enter(Phase.TRACKING);
        neighbourPages = NEIGHBOUR_PAGES;
        submitOpenSlots();
    }

    private void enter(Phase next) {
        phase = next;
        awaitBatchEnd();
    }

    /** Waits until no message is in hand that was taken before this call. */
    void awaitBatchEnd() {
        long sequence = batchSequence;
        while (sequence % 2 != 0 && batchSequence == sequence) {
            Thread.onSpinWait();
        }
    }

    private void submitOpenSlots() {
        for (int i = 0; i < openSlots.length; i++) {
            Slot slot = openSlots[i];
            if (slot != null) {
                openSlots[i] = null;
                pool.submit(slot);
            }
        }
    }

    // For after endCapturing.

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

    /** Pages that were armed ahead and written before the pause, since the start. */
    long wantedPagesLetGo() {
        return wantedPagesLetGo;
    }

    /** Faults outside captures, since the start. */
    long trackedFaults() {
        return trackedFaults;
    }
}
