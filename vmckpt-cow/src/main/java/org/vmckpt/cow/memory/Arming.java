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
    // A guest that writes random pages of 128 MiB flat out meets nine samples of ten in this time.
    private static final long HOT_LOOK_NANOS = 30_000_000;
    private static final long RETRY_LIMIT_NANOS = 100_000_000L;
    private static final long RETRY_NAP_NANOS = 50_000;

    private final CaptureState state;

    Arming(CaptureState state) {
        this.state = state;
    }

    /**
     * Arms one page of each block for a moment, so that the fault thread meets hot blocks, which it
     * notes, at the price of one fault each.
     */
    void findHotBlocks() {
        boolean any = false;
        for (CaptureRegion region : state.regions) {
            region.hot.clear();
            any |= !region.isHuge() && armSamples(region);
        }
        if (any) {
            LockSupport.parkNanos(HOT_LOOK_NANOS); // cut short, fewer are met
        }
    }

    private boolean armSamples(CaptureRegion region) {
        boolean any = false;
        PageStates states = region.states;
        int page = nextLoose(region, 0);
        while (page < region.pageCount && !state.givenUp()) {
            if (states.change(page, PageStates.LOOSE, PageStates.ARMED)) {
                region.countArmed(1);
                protect(region, page, 1);
                any = true;
            }
            page = nextLoose(region, HotBlocks.endOfBlock(page));
        }
        return any;
    }

    /** Arms what is LOOSE when it comes by, but for hot blocks. */
    void armCold() {
        arm(false);
        // In the pause nobody looks through the rest.
        for (CaptureRegion region : state.regions) {
            region.states.lookForLoose();
        }
    }

    /**
     * Arms every page that is LOOSE, and notes it, for it is likely written soon; returns how many
     * that were.
     */
    long armAll() {
        return arm(true);
    }

    private long arm(boolean hotToo) {
        long pages = 0;
        for (CaptureRegion region : state.regions) {
            int maxRun = region.isHuge() ? MAX_RUN_HUGE_PAGES : MAX_RUN_PAGES;
            int maxGap = MAX_GAP_UNITS / region.unitsPerPage;
            int next = nextLoose(region, 0);
            while (next < region.pageCount && !state.givenUp()) {
                int cold = hotToo ? next : region.hot.nextCold(next);
                if (cold != next) {
                    next = nextLoose(region, cold);
                    continue;
                }
                int limit = Math.min(region.pageCount, next + maxRun);
                limit = hotToo ? limit : region.hot.nextHot(next, limit);
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
                    if (hotToo) {
                        region.written.note(next, end);
                    }
                }
                next = nextLoose(region, Math.max(end, next));
            }
        }
        return pages;
    }

    private static int nextLoose(CaptureRegion region, int from) {
        int first = Math.min(from, region.pageCount);
        return region.states.nextLoose(first, region.pageCount);
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
