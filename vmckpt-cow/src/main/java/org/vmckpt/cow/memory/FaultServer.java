package org.vmckpt.cow.memory;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.ThreadAffinity;
import org.vmckpt.cow.linux.ThreadPriority;
import org.vmckpt.cow.linux.UffdMessages;
import org.vmckpt.cow.linux.Userfaultfd.Awaited;

/**
 * Serves the guest's writes to protected pages: has the original saved ({@link Originals}) if a
 * checkpoint wants it, lifts the protection.
 *
 * <p>Runs on one thread for as long as memory is tracked. It allocates nothing and takes no lock;
 * the one thing that it may wait for is a free slot. It goes on reading messages after a failure,
 * because a QEMU that discards memory waits until its message was read.
 */
final class FaultServer implements Runnable {
    private static final int NICENESS = -10;
    private static final long FROZEN_NAP_NANOS = 20_000;
    // Armed ahead, not yet wanted: a neighbour is let go too, and armed again in the same call.
    private static final int NEIGHBOUR_UNITS = 64;
    // They are armed right before the pause, in some 10 ms.
    private static final int MAX_HOT_BLOCKS = 128;
    // How long a guest may wait for its stop if that is late.
    private static final long LONGEST_HOLD_NANOS = 3_000_000;
    // So long QEMU takes from the command to the end of its vCPUs' next instructions.
    private static final long STOP_NANOS = 300_000;
    // What is let go in the last moment before the pause is armed again in the pause.
    private static final int LATE_NEIGHBOUR_UNITS = 8;

    final Originals originals;
    private final CaptureState capture;
    private final CaptureRegion[] regions;
    private final UffdMessages messages = new UffdMessages();
    private final Discards discards;

    // Set by whoever takes the checkpoint, while this thread is between two batches.
    private volatile Phase phase = Phase.TRACKING;
    private volatile int neighbourUnits = NEIGHBOUR_UNITS;
    private volatile boolean holding;
    private volatile long holdEndNanos;
    private volatile @Nullable ThreadAffinity affinity;
    private final AtomicInteger hotBlocksLeft = new AtomicInteger();
    // Written by the fault thread only.
    private long trackedFaults;
    private long batch;
    // Odd while a batch of messages is being served.
    private volatile long batchSequence;

    FaultServer(CaptureState capture, SlotPool pool) {
        this.capture = capture;
        this.originals = new Originals(capture, pool);
        this.regions = capture.regions.toArray(CaptureRegion[]::new);
        this.discards = new Discards(capture.regions);
    }

    @Override
    public void run() {
        // A vCPU waits for this thread; without the privilege it runs at the usual priority.
        ThreadPriority.trySetNicenessOfThisThread(NICENESS);
        affinity = ThreadAffinity.ofThisThread();
        try {
            Awaited awaited = capture.uffd.await(capture.stopFaults);
            while (awaited == Awaited.MESSAGE) {
                batchSequence = ++batch;
                Phase now = phase;
                boolean waits = (now == Phase.FROZEN || holds()) && !capture.givenUp();
                if (!waits) {
                    serveBatch(now);
                }
                batchSequence = ++batch;
                if (waits) {
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
        originals.letGo(start);
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
                    originals.save(region, page, startNanos);
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

    /** Before the pause: nothing is saved. Neighbours that are wanted anyway go with the page. */
    private void letGo(CaptureRegion region, int page, boolean withNeighbours) {
        int first = page;
        int last = page;
        if (withNeighbours) {
            int neighbours = region.pagesIn(neighbourUnits);
            if (hotBlocksLeft.get() > 0 && !region.isHuge()) {
                noteHot(region, page);
                neighbours = HotBlocks.BLOCK_PAGES;
            }
            int block = page / neighbours * neighbours;
            int limit = Math.min(block + neighbours, region.pageCount);
            while (first > block
                    && region.states.change(first - 1, PageStates.ARMED, PageStates.FAULTING)) {
                first--;
            }
            last += region.states.changeRun(page + 1, limit, PageStates.ARMED, PageStates.FAULTING);
        }
        int count = last - first + 1;
        capture.lift(region, first, count);
        if (withNeighbours) {
            region.countLetGo(count);
        }
    }

    private void noteHot(CaptureRegion region, int page) {
        if (!region.hot.contains(page)) {
            region.hot.add(page);
            hotBlocksLeft.decrementAndGet();
        }
    }

    /** Memory is about to be armed ahead. */
    void noteHotBlocks() {
        hotBlocksLeft.set(MAX_HOT_BLOCKS);
    }

    private boolean holds() {
        return holding && System.nanoTime() - holdEndNanos < 0;
    }

    /**
     * The guest is stopped in a moment: from now on its vCPUs wait at their first write to a page
     * that is armed, for each such page would have to be armed again in the pause.
     */
    void hold() {
        holdEndNanos = System.nanoTime() + LONGEST_HOLD_NANOS;
        holding = true;
    }

    /** The stop is on its way to QEMU, which needs its vCPUs to end their instruction. */
    void endHoldSoon() {
        holdEndNanos = System.nanoTime() + STOP_NANOS;
    }

    /**
     * The guest stands still: from now on no page changes its state until the next phase. Messages
     * that are not served yet wait.
     */
    void freeze() {
        holding = false;
        enter(Phase.FROZEN);
        discards.letGoAgain();
        originals.countAnew();
    }

    /** Ends the freeze: from now on the first write to an armed page saves it. */
    void startCapturing() {
        phase = Phase.CAPTURING;
    }

    /** Leaves a processor to the copier: a fault does not wait behind it while others are idle. */
    void avoid(int processor) {
        ThreadAffinity mine = affinity;
        if (mine != null) {
            mine.avoid(processor);
        }
    }

    void runAnywhere() {
        ThreadAffinity mine = affinity;
        if (mine != null) {
            mine.restore();
        }
    }

    /** The pause is near: no longer are many neighbours let go with a page. */
    void keepNeighbours() {
        hotBlocksLeft.set(0);
        neighbourUnits = LATE_NEIGHBOUR_UNITS;
    }

    /** No page is wanted any more; hands over what the last slots hold. */
    void endCapturing() {
        enter(Phase.TRACKING);
        neighbourUnits = NEIGHBOUR_UNITS;
        holding = false;
        originals.handOver();
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

    /** Faults outside captures, since the start; for after {@link #endCapturing}. */
    long trackedFaults() {
        return trackedFaults;
    }
}
