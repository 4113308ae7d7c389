package org.vmckpt.cow.memory;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.ErrnoException;

/**
 * Reads every page that the guest has not written yet and lifts its protection, in order.
 *
 * <p>It takes a slot before it claims pages: a claimed page never waits for the sink, so a guest
 * that writes to it waits for one read of at most 64 pages.
 */
final class Copier implements Runnable {
    /** A run of pages that are holes of the memory file. */
    record Holes(int region, long firstPage, long pageCount) {}

    // Nothing is read from holes, so many can be claimed at once; 8 MiB of lifting is quick.
    private static final int HOLE_CLAIM_PAGES = 2048;

    private final CaptureState capture;
    private final SlotPool pool;
    private final FaultServer faults;
    private final CountDownLatch started = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);
    private final List<Holes> holes = new ArrayList<>();
    private long pagesRead;
    private long holePages;
    private volatile long endNanos;

    Copier(CaptureState capture, SlotPool pool, FaultServer faults) {
        this.capture = capture;
        this.pool = pool;
        this.faults = faults;
    }

    void start() {
        started.countDown();
    }

    /** Waits until every page was read and is writable again, or the capture was given up. */
    void awaitEnd() throws InterruptedException {
        ended.await();
    }

    @Override
    public void run() {
        try {
            started.await();
            for (CaptureRegion region : capture.regions) {
                copy(region);
            }
            awaitFaults();
        } catch (Throwable failure) {
            capture.fail(failure);
        } finally {
            endNanos = System.nanoTime();
            ended.countDown();
        }
    }

    private void copy(CaptureRegion region) throws ErrnoException {
        int page = 0;
        Slot slot = null;
        while (page < region.pageCount && !capture.givenUp()) {
            long data = region.file.nextData(region.offsetOf(page));
            int firstData = data < 0 ? region.pageCount : region.pageAtOffset(data);
            passHoles(region, page, firstData);
            if (firstData < region.pageCount) {
                long hole = region.file.nextHole(region.offsetOf(firstData));
                int end = region.pageAtOffset(hole + Slot.PAGE_BYTES - 1);
                slot = copyData(region, firstData, Math.max(end, firstData + 1), slot);
                firstData = Math.max(end, firstData + 1);
            }
            page = firstData;
        }
        if (slot != null && slot.count() > 0) {
            pool.submit(slot);
        } else if (slot != null) {
            pool.release(slot);
        }
    }

    private void passHoles(CaptureRegion region, int first, int limit) {
        int page = region.states.nextPending(first, limit);
        while (page < limit && !capture.givenUp()) {
            int count = region.states.claimRun(page, Math.min(limit, page + HOLE_CLAIM_PAGES));
            if (count > 0 && lift(region, page, count)) {
                addHoles(region.index, page, count);
            }
            page = region.states.nextPending(page + count, limit);
        }
    }

    private void addHoles(int region, long first, long count) {
        holePages += count;
        Holes last = holes.isEmpty() ? null : holes.getLast();
        if (last != null
                && last.region() == region
                && last.firstPage() + last.pageCount() == first) {
            holes.removeLast();
            holes.add(new Holes(region, last.firstPage(), last.pageCount() + count));
        } else {
            holes.add(new Holes(region, first, count));
        }
    }

    /** Returns the slot that has room left, if any. */
    private @Nullable Slot copyData(
            CaptureRegion region, int first, int limit, @Nullable Slot begun) {
        Slot slot = begun;
        int page = region.states.nextPending(first, limit);
        while (page < limit) {
            if (slot == null) {
                slot = pool.takeForCopier();
                if (slot == null) {
                    return null;
                }
                slot.reset(region.index);
            }
            int count = region.states.claimRun(page, Math.min(limit, page + slot.free()));
            if (count > 0 && !copyRun(region, page, count, slot)) {
                return slot;
            }
            if (slot.free() == 0) {
                pool.submit(slot);
                slot = null;
            }
            page = region.states.nextPending(page + count, limit);
        }
        return slot;
    }

    private boolean copyRun(CaptureRegion region, int page, int count, Slot slot) {
        long bytes = (long) count * Slot.PAGE_BYTES;
        long read = region.file.pread(slot.nextAddress(), bytes, region.offsetOf(page));
        if (read != bytes) {
            capture.failCall("pread of guest memory", read < 0 ? read : -Errno.EIO);
            return false;
        }
        slot.add(page, count);
        pagesRead += count;
        return lift(region, page, count);
    }

    private boolean lift(CaptureRegion region, int page, int count) {
        int result = capture.uffd.tryLift(region.addressOf(page), (long) count * Slot.PAGE_BYTES);
        if (result < 0) {
            capture.failCall("lifting protection", result);
            return false;
        }
        region.states.finish(page, count);
        return true;
    }

    /** The fault thread may still have a page in hand that it claimed before we came by. */
    private void awaitFaults() {
        long total = 0;
        for (CaptureRegion region : capture.regions) {
            total += region.pageCount;
        }
        while (pagesRead + holePages + faults.pagesDone() < total && !capture.givenUp()) {
            LockSupport.parkNanos(10_000);
        }
    }

    // The values below are for after the end.

    long endNanos() {
        return endNanos;
    }

    List<Holes> holes() {
        return holes;
    }

    long pagesRead() {
        return pagesRead;
    }

    long holePages() {
        return holePages;
    }
}
