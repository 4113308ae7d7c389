package org.vmckpt.cow.memory;

import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.ThreadPriority;
import org.vmckpt.cow.linux.UffdMessages;
import org.vmckpt.cow.linux.Userfaultfd.Awaited;

/**
 * Serves the guest's writes to protected pages: saves the original, lifts the protection.
 *
 * <p>Runs on one thread from before arming until after the last page. It allocates nothing and
 * takes no lock; the one thing that it may wait for is a free slot. It goes on reading messages
 * after the capture failed, because a QEMU that discards memory waits until its message was read.
 */
final class FaultServer implements Runnable {
    private static final int NICENESS = -10;
    // A sink that takes no slot for so long is stuck; the guest must not be stuck with it.
    private static final long BUDGET_PATIENCE_NANOS = 2_000_000_000L;

    private final CaptureState capture;
    private final SlotPool pool;
    private final CaptureRegion[] regions;
    private final @Nullable Slot[] openSlots;
    private final UffdMessages messages = new UffdMessages();
    private final ServiceTimes times = new ServiceTimes();

    private long pagesSaved;

    // Written by the fault thread only.
    private volatile long pagesDone;
    private volatile boolean waitedForBudget;
    // Set when arming begins: from then on a discard loses an original.
    private volatile boolean discardsMatter;

    FaultServer(CaptureState capture, SlotPool pool) {
        this.capture = capture;
        this.pool = pool;
        this.regions = capture.regions.toArray(CaptureRegion[]::new);
        this.openSlots = new Slot[regions.length];
    }

    @Override
    public void run() {
        // A vCPU waits for this thread; without the privilege it runs at the usual priority.
        ThreadPriority.trySetNicenessOfThisThread(NICENESS);
        try {
            Awaited awaited = capture.uffd.await(capture.stopFaults);
            while (awaited == Awaited.MESSAGE) {
                serveBatch();
                awaited = capture.uffd.await(capture.stopFaults);
            }
            if (awaited == Awaited.BROKEN) {
                capture.failCall("poll of the userfaultfd", -Errno.EIO);
            }
        } catch (Throwable failure) {
            capture.fail(failure);
            // Nobody reads messages any more: a discarding QEMU would wait for ever.
            capture.giveUpDescriptor();
        }
    }

    private void serveBatch() {
        int count = capture.uffd.tryRead(messages);
        if (count < 0) {
            capture.failCall("read of the userfaultfd", count);
            return;
        }
        long start = System.nanoTime();
        for (int i = 0; i < count; i++) {
            if (messages.isWriteFault(i)) {
                serveFault(messages.faultAddress(i), start);
            } else if (messages.isRemove(i) && discardsMatter) {
                capture.failDiscarded();
            }
        }
    }

    private void serveFault(long address, long startNanos) {
        CaptureRegion region = regionOf(address);
        if (region == null) {
            return;
        }
        int page = region.pageAt(address);
        if (region.states.tryClaim(page)) {
            if (save(region, page) && lift(region, page)) {
                region.states.finish(page, 1);
                times.record(System.nanoTime() - startNanos);
                pagesDone = ++pagesSaved;
            }
        } else if (region.states.get(page) == PageStates.DONE) {
            lift(region, page);
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

    /** Reads a page's original into a slot; false when the capture ends instead. */
    private boolean save(CaptureRegion region, int page) {
        Slot slot = openSlot(region.index);
        if (slot == null) {
            return false;
        }
        long read = region.file.pread(slot.nextAddress(), Slot.PAGE_BYTES, region.offsetOf(page));
        if (read != Slot.PAGE_BYTES) {
            capture.failCall("pread of guest memory", read < 0 ? read : -Errno.EIO);
            return false;
        }
        slot.add(page, 1);
        if (slot.free() == 0) {
            openSlots[region.index] = null;
            pool.submit(slot);
        }
        return true;
    }

    private @Nullable Slot openSlot(int region) {
        Slot slot = openSlots[region];
        if (slot == null) {
            slot = pool.tryTake();
            if (slot == null) {
                waitedForBudget = true;
                slot = pool.takeForFaults(BUDGET_PATIENCE_NANOS);
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

    private boolean lift(CaptureRegion region, int page) {
        int result = capture.uffd.tryLift(region.addressOf(page), Slot.PAGE_BYTES);
        if (result < 0) {
            capture.failCall("lifting protection", result);
        }
        return result == 0;
    }

    void discardsMatterNow() {
        discardsMatter = true;
    }

    /** Pages saved and writable again. */
    long pagesDone() {
        return pagesDone;
    }

    boolean waitedForBudget() {
        return waitedForBudget;
    }

    /** Hands over what the last slots hold; only after the thread has ended. */
    void submitOpenSlots() {
        for (int i = 0; i < openSlots.length; i++) {
            Slot slot = openSlots[i];
            if (slot != null) {
                openSlots[i] = null;
                pool.submit(slot);
            }
        }
    }

    /** Only after the thread has ended. */
    ServiceTimes times() {
        return times;
    }
}
