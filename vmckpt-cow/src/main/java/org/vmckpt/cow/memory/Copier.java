package org.vmckpt.cow.memory;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.ThreadPriority;

/**
 * Reads every armed page that the guest has not written yet, in order, and then lifts its
 * protection, or leaves it as a clean page when memory is tracked on.
 *
 * <p>It takes a slot before it takes pages: a page that is being copied never waits for the sink,
 * so a guest that writes to it waits for one read of at most 64 pages, or of one huge page.
 */
final class Copier implements Runnable {
    /** A run of holes of the memory file, in units of what is stored. */
    record Holes(int region, long firstUnit, long unitCount) {}

    // Nothing is read from holes, so many can be taken at once; 8 MiB of lifting is quick.
    private static final int HOLE_RUN_PAGES = 2048;
    // Each page that it copies in time is a fault less for the guest.
    private static final int NICENESS = -5;

    private final CaptureState capture;
    private final SlotPool pool;
    private final FaultServer faults;
    private final boolean tracking;
    private final CountDownLatch started = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);
    private final List<Holes> holes = new ArrayList<>();
    private long unitsRead;
    private long holeUnits;
    private volatile long endNanos;

    Copier(CaptureState capture, SlotPool pool, FaultServer faults, boolean tracking) {
        this.capture = capture;
        this.pool = pool;
        this.faults = faults;
        this.tracking = tracking;
    }

    void start() {
        started.countDown();
    }

    /** Waits until every wanted page was read, or the capture was given up. */
    void awaitEnd() throws InterruptedException {
        ended.await();
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

    /** What the guest wrote last it is about to write again: there each page read saves a fault. */
    private void copyWritten(CaptureRegion region) throws ErrnoException {
        Extent data = new Extent(region);
        Slot slot = null;
        int first = region.written.next(0);
        while (first >= 0 && first < region.pageCount) {
            int end = Math.min(region.pageCount, region.written.endOfRun(first));
            slot = copy(region, first, end, data, slot);
            first = region.written.next(end);
        }
        region.written.clear();
        pass(slot);
    }

    private void copyAll(CaptureRegion region) throws ErrnoException {
        pass(copy(region, 0, region.pageCount, new Extent(region), null));
    }

    /** Returns the slot that has room left, if any. */
    private @Nullable Slot copy(
            CaptureRegion region, int first, int limit, Extent data, @Nullable Slot begun)
            throws ErrnoException {
        Slot slot = begun;
        int page = nextArmed(region, first, limit);
        while (page < limit && !capture.givenUp()) {
            data.moveTo(page);
            if (page < data.first) {
                int end = Math.min(limit, data.first);
                passHoles(region, page, end);
                page = nextArmed(region, end, limit);
            } else {
                int end = Math.min(limit, data.end);
                slot = copyData(region, page, end, slot);
                page = nextArmed(region, end, limit);
            }
        }
        return slot;
    }

    private void pass(@Nullable Slot slot) {
        if (slot != null && slot.count() > 0) {
            pool.submit(slot);
        } else if (slot != null) {
            pool.release(slot);
        }
    }

    /** The next pages that are no holes; to find their end takes a while, so it is kept. */
    private static final class Extent {
        private final CaptureRegion region;
        private int first;
        private int end;

        Extent(CaptureRegion region) {
            this.region = region;
        }

        /** Where {@code page} only ever grows. */
        void moveTo(int page) throws ErrnoException {
            if (page >= end) {
                long data = region.file.nextData(region.offsetOf(page));
                first = data < 0 ? region.pageCount : region.pageAtOffset(data);
                end = data < 0 ? region.pageCount : endOfData(region, first);
            }
        }
    }

    private static int nextArmed(CaptureRegion region, int first, int limit) {
        return region.states.next(PageStates.ARMED, first, limit);
    }

    private static int endOfData(CaptureRegion region, int firstPage) throws ErrnoException {
        long hole = region.file.nextHole(region.offsetOf(firstPage));
        return Math.max(firstPage + 1, region.pageAtOffset(hole + region.pageBytes - 1));
    }

    private void passHoles(CaptureRegion region, int first, int limit) {
        int page = region.states.next(PageStates.ARMED, first, limit);
        while (page < limit && !capture.givenUp()) {
            int count = take(region, page, Math.min(limit, page + HOLE_RUN_PAGES));
            if (count > 0 && finish(region, page, count)) {
                addHoles(region.index, region.unitsOf(page), region.unitsOf(count));
            }
            page = region.states.next(PageStates.ARMED, page + count, limit);
        }
    }

    private static int take(CaptureRegion region, int first, int limit) {
        return region.states.changeRun(first, limit, PageStates.ARMED, PageStates.COPYING);
    }

    private void addHoles(int region, long first, long count) {
        holeUnits += count;
        Holes last = holes.isEmpty() ? null : holes.getLast();
        if (last != null
                && last.region() == region
                && last.firstUnit() + last.unitCount() == first) {
            holes.removeLast();
            holes.add(new Holes(region, last.firstUnit(), last.unitCount() + count));
        } else {
            holes.add(new Holes(region, first, count));
        }
    }

    /** Returns the slot that has room left, if any. */
    private @Nullable Slot copyData(
            CaptureRegion region, int first, int limit, @Nullable Slot begun) {
        Slot slot = begun;
        int page = region.states.next(PageStates.ARMED, first, limit);
        while (page < limit) {
            if (slot == null) {
                slot = pool.takeForCopier();
                if (slot == null) {
                    return null;
                }
                slot.reset(region.index);
            }
            int room = Math.min(slot.free(), Math.max(Slot.PAGES, region.unitsPerPage));
            int count = take(region, page, Math.min(limit, page + room / region.unitsPerPage));
            if (count > 0 && !copyRun(region, page, count, slot)) {
                return slot;
            }
            if (slot.free() < region.unitsPerPage) {
                pool.submit(slot);
                slot = null;
            }
            page = region.states.next(PageStates.ARMED, page + count, limit);
        }
        return slot;
    }

    private boolean copyRun(CaptureRegion region, int page, int count, Slot slot) {
        long bytes = region.bytesOf(count);
        long read = region.read(page, count, slot.nextAddress());
        if (read != bytes) {
            capture.failCall("reading guest memory", read < 0 ? read : -Errno.EIO);
            return false;
        }
        slot.add(region.unitsOf(page), region.unitsOf(count));
        unitsRead += region.unitsOf(count);
        return finish(region, page, count);
    }

    /** The pages are read: whoever waits for one of them may go on. */
    private boolean finish(CaptureRegion region, int page, int count) {
        if (!tracking) {
            return lift(region, page, count);
        }
        boolean done = true;
        for (int i = page; i < page + count && done; i++) {
            if (!region.states.change(i, PageStates.COPYING, PageStates.CLEAN)) {
                done = lift(region, i, 1);
            }
        }
        return done;
    }

    private boolean lift(CaptureRegion region, int page, int count) {
        long size = region.bytesOf(count);
        int result = capture.uffd.tryLift(region.addressOf(page), size);
        if (result < 0) {
            capture.failCall("lifting protection", result);
            return false;
        }
        region.states.set(page, count, PageStates.LOOSE);
        return true;
    }

    // The values below are for after the end.

    long endNanos() {
        return endNanos;
    }

    List<Holes> holes() {
        return holes;
    }

    long unitsRead() {
        return unitsRead;
    }

    long holeUnits() {
        return holeUnits;
    }
}
