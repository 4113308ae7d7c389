package org.vmckpt.cow.memory;

import java.util.concurrent.locks.LockSupport;
import org.vmckpt.cow.linux.Errno;

/**
 * Write-protects the pages that the next checkpoint wants and that are not protected yet: once
 * ahead of the pause, while the guest runs, and once inside it for those that were written
 * meanwhile.
 */
final class Arming {
    // Each call holds a lock of QEMU's address space that its page faults and mmaps wait for.
    private static final int MAX_RUN_PAGES = 512;
    // One of these takes some 2 µs.
    private static final int MAX_RUN_HUGE_PAGES = 64;
    // Protecting what is protected already costs less than another call.
    private static final int MAX_GAP_UNITS = 32;
    private static final long RETRY_LIMIT_NANOS = 100_000_000L;
    private static final long RETRY_NAP_NANOS = 50_000;

    private final CaptureState state;

    Arming(CaptureState state) {
        this.state = state;
    }

    /** Arms every page that is LOOSE when it comes by; returns how many that were. */
    long armLoosePages() {
        return arm(false);
    }

    /** As {@link #armLoosePages}; and notes them, for the guest has written them just now. */
    long armWrittenPages() {
        return arm(true);
    }

    private long arm(boolean written) {
        long pages = 0;
        for (CaptureRegion region : state.regions) {
            int maxRun = region.isHuge() ? MAX_RUN_HUGE_PAGES : MAX_RUN_PAGES;
            int maxGap = MAX_GAP_UNITS / region.unitsPerPage;
            int next = region.states.next(PageStates.LOOSE, 0, region.pageCount);
            while (next < region.pageCount && !state.givenUp()) {
                int limit = Math.min(region.pageCount, next + maxRun);
                int end = next;
                int page = next;
                while (page < limit && page - end <= maxGap) {
                    int count =
                            region.states.changeRun(
                                    page, limit, PageStates.LOOSE, PageStates.ARMED);
                    region.countArmed(count);
                    pages += count;
                    end = count > 0 ? page + count : end;
                    page = region.states.next(PageStates.LOOSE, page + count, limit);
                }
                if (end > next) {
                    protect(region, next, end - next);
                    if (written) {
                        region.written.note(next, end);
                    }
                }
                next = region.states.next(PageStates.LOOSE, Math.max(end, next), region.pageCount);
            }
        }
        return pages;
    }

    /** A discard that began before the pause may still hold protection up; it ends by itself. */
    private void protect(CaptureRegion region, int page, int count) {
        long address = region.addressOf(page);
        long size = region.bytesOf(count);
        int result = state.uffd.tryProtect(address, size);
        if (result == -Errno.EAGAIN) {
            long start = System.nanoTime();
            while (result == -Errno.EAGAIN && System.nanoTime() - start < RETRY_LIMIT_NANOS) {
                LockSupport.parkNanos(RETRY_NAP_NANOS);
                result = state.uffd.tryProtect(address, size);
            }
        }
        if (result < 0) {
            state.failCall("write-protecting memory", result);
        }
    }
}
