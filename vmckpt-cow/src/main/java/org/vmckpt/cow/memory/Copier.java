package org.vmckpt.cow.memory;

import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.ThreadPriority;

/**
 * Reads every armed page that the guest has not written yet, in order, and then lifts its
 * protection, or leaves it as a clean page when memory is tracked on.
 *
 * <p>It takes a slot before it takes pages: a page that is being copied never waits for the sink,
 * so a guest that writes to it waits for the reading of at most {@value #LIFT_UNITS} units, or of
 * one huge page.
 */
final class Copier implements Runnable {
    // Nothing is read from holes, so many can be taken at once; 8 MiB of lifting is quick.
    private static final int HOLE_RUN_PAGES = 2048;
    // Copied in less than 0.1 ms: so long a guest may wait that writes to the first of them.
    private static final int LIFT_UNITS = 256;
    // Between two looks at where the guest waits.
    private static final int PIECE_UNITS = 64;
    // Each page that it copies in time is a fault less for the guest.
    private static final int NICENESS = -5;

    private final CaptureState capture;
    private final SlotPool pool;
    private final FaultServer faults;
    private final boolean tracking;
    private final Prefaults prefaults;
    private final CountDownLatch started = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);
    private final HoleRuns holes = new HoleRuns();
    private @Nullable Slot slot;
    private long unitsRead;
    // Read, and still protected.
    private @Nullable CaptureRegion readRegion;
    private int readFirst;
    private int readCount;
    private volatile long endNanos;

    Copier(
            CaptureState capture,
            SlotPool pool,
            FaultServer faults,
            boolean tracking,
            Prefaults prefaults) {
        this.capture = capture;
        this.pool = pool;
        this.faults = faults;
        this.tracking = tracking;
        this.prefaults = prefaults;
    }

    void start() {
        started.countDown();
    }

    /** Waits until every wanted page was read, or the capture was given up. */
    void awaitEnd() throws InterruptedException {
        ended.await();
    }

    boolean hasStarted() {
        return started.getCount() == 0;
    }

    boolean isCopying() {
        return ended.getCount() > 0;
    }

    @Override
    public void run() {
        ThreadPriority.trySetNicenessOfThisThread(NICENESS);
        try {
            started.await();
            for (CaptureRegion region : capture.regions) {
                copyWritten(region);
            }
            prefaults.take();
            for (CaptureRegion region : capture.regions) {
                copyAll(region);
            }
            // It may still have a page in hand that it took before we came by.
            faults.awaitBatchEnd();
        } catch (Throwable failure) {
            capture.fail(failure);
        } finally {
            endNanos = System.nanoTime();
            ended.countDown();
        }
    }

    /**
     * What the guest wrote last it is about to write again: there each page read saves a fault. Not
     * all that was noted was written, so where it faults now goes first.
     */
    private void copyWritten(CaptureRegion region) {
        int pieceSize = region.pagesIn(PIECE_UNITS);
        int next = region.written.next(0);
        while (next >= 0 && next < region.pageCount && !capture.givenUp()) {
            int fault = region.takeFault();
            if (fault >= 0) {
                int first = fault / pieceSize * pieceSize;
                copyFaulted(region, first, Math.min(region.pageCount, first + pieceSize));
            } else {
                int end = Math.min(next + pieceSize, region.written.endOfRun(next));
                copyPiece(region, next, Math.min(region.pageCount, end));
                next = region.written.next(end);
            }
        }
        region.written.clear();
        endRegion();
    }

    /** Around a page that the guest wrote in this window: it writes the others soon. */
    private void copyFaulted(CaptureRegion region, int first, int end) {
        long before = unitsRead;
        copyPiece(region, first, end);
        // Pages that are tracked on stay protected; and once is enough.
        if (unitsRead > before && !tracking) {
            prefaults.add(region, first, end);
        }
    }

    /** Where data was found it still is; elsewhere the guest may have filled holes or not. */
    private void copyPiece(CaptureRegion region, int first, int end) {
        DataExtents data = region.data();
        int page = first;
        if (data != null) {
            int extent = data.endingBehind(first);
            while (extent < data.count() && data.first(extent) < end) {
                int dataFirst = Math.max(page, data.first(extent));
                copy(region, page, dataFirst, false);
                page = Math.min(end, data.end(extent));
                copy(region, dataFirst, page, true);
                extent++;
            }
        }
        copy(region, page, end, false);
    }

    private void copyAll(CaptureRegion region) {
        DataExtents data = region.data();
        if (data == null) {
            copy(region, 0, region.pageCount, false);
        } else {
            int page = 0;
            for (int i = 0; i < data.count(); i++) {
                passHoles(region, page, data.first(i));
                copy(region, data.first(i), data.end(i), true);
                page = data.end(i);
            }
            passHoles(region, page, region.pageCount);
        }
        endRegion();
    }

    private void endRegion() {
        lift();
        if (slot != null && slot.count() > 0) {
            pool.submit(slot);
        } else if (slot != null) {
            pool.release(slot);
        }
        slot = null;
    }

    private void passHoles(CaptureRegion region, int first, int limit) {
        int page = region.states.next(PageStates.ARMED, first, limit);
        while (page < limit && !capture.givenUp()) {
            int count = take(region, page, Math.min(limit, page + HOLE_RUN_PAGES));
            if (count > 0 && finish(region, page, count)) {
                holes.add(region.index, region.unitsOf(page), region.unitsOf(count));
            }
            page = region.states.next(PageStates.ARMED, page + count, limit);
        }
    }

    private static int take(CaptureRegion region, int first, int limit) {
        return region.states.changeRun(first, limit, PageStates.ARMED, PageStates.COPYING);
    }

    /**
     * Copies what is armed.
     *
     * @param data whether none of it is a hole
     */
    private void copy(CaptureRegion region, int first, int limit, boolean data) {
        int page = region.states.next(PageStates.ARMED, first, limit);
        while (page < limit && takeSlot(region)) {
            int room = region.pagesIn(Math.min(slot().free(), Slot.PAGES));
            int count = take(region, page, Math.min(limit, page + room));
            if (count > 0 && !copyRun(region, page, count, data)) {
                return;
            }
            if (slot().free() < region.unitsPerPage) {
                pool.submit(slot());
                slot = null;
            }
            page = region.states.next(PageStates.ARMED, page + count, limit);
        }
    }

    /** False when the capture was given up. */
    private boolean takeSlot(CaptureRegion region) {
        if (slot == null) {
            Slot next = pool.tryTakeForCopier();
            if (next == null) {
                // It may take long, and the guest may want what was read.
                lift();
                next = pool.takeForCopier();
            }
            if (next != null) {
                next.reset(region.index);
            }
            slot = next;
        }
        return slot != null && !capture.givenUp();
    }

    private Slot slot() {
        if (slot == null) {
            throw new IllegalStateException("no slot was taken");
        }
        return slot;
    }

    private boolean copyRun(CaptureRegion region, int page, int count, boolean data) {
        long bytes = region.bytesOf(count);
        long to = slot().nextAddress();
        long read = data ? region.readData(page, count, to) : region.read(page, count, to);
        if (read != bytes) {
            capture.failCall("reading guest memory", read < 0 ? read : -Errno.EIO);
            return false;
        }
        slot().add(region.unitsOf(page), region.unitsOf(count));
        unitsRead += region.unitsOf(count);
        return finish(region, page, count);
    }

    /** The pages are read: whoever waits for one of them may go on, at once or soon. */
    private boolean finish(CaptureRegion region, int page, int count) {
        if (!tracking) {
            return liftSoon(region, page, count);
        }
        boolean done = true;
        for (int i = page; i < page + count && done; i++) {
            if (!region.states.change(i, PageStates.COPYING, PageStates.CLEAN)) {
                done = liftSoon(region, i, 1) && lift();
            }
        }
        return done;
    }

    /** Pages that lie side by side are lifted by one call: each interrupts the guest's vCPUs. */
    private boolean liftSoon(CaptureRegion region, int page, int count) {
        if (readCount > 0 && (!region.equals(readRegion) || page != readFirst + readCount)) {
            if (!lift()) {
                return false;
            }
        }
        readRegion = region;
        readFirst = readCount == 0 ? page : readFirst;
        readCount += count;
        return region.unitsOf(readCount) < LIFT_UNITS || lift();
    }

    private boolean lift() {
        CaptureRegion region = readRegion;
        if (region == null || readCount == 0) {
            return true;
        }
        long size = region.bytesOf(readCount);
        int result = capture.uffd.tryLift(region.addressOf(readFirst), size);
        if (result < 0) {
            capture.failCall("lifting protection", result);
            return false;
        }
        region.states.set(readFirst, readCount, PageStates.LOOSE);
        readCount = 0;
        return true;
    }

    // The values below are for after the end.

    long endNanos() {
        return endNanos;
    }

    HoleRuns holes() {
        return holes;
    }

    long unitsRead() {
        return unitsRead;
    }
}
