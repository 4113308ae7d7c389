package org.vmckpt.cow.memory;

import java.util.List;

/**
 * Memory that the guest gave back between checkpoints. Its pages are LOOSE, for they changed and
 * their protection is gone; but the kernel tells first and discards a moment later, so they may be
 * armed in between and lose that protection unnoticed. So they are made LOOSE once more in the
 * pause, when QEMU has come to its stop and has the discard behind it.
 */
final class Discards {
    private static final int CAPACITY = 4096;
    // QEMU's thread discards when it is scheduled next; a busy host may take its time.
    private static final long RECENT_NANOS = 2_000_000_000L;

    private final List<CaptureRegion> regions;
    private final long[] starts = new long[CAPACITY];
    private final long[] ends = new long[CAPACITY];
    private final long[] times = new long[CAPACITY];
    private int count;
    private int oldest;
    private boolean overflowed;

    Discards(List<CaptureRegion> regions) {
        this.regions = regions;
    }

    /** For the fault thread; allocates nothing. */
    void note(long start, long end) {
        letGo(start, end);
        long now = System.nanoTime();
        int slot = (oldest + count) % CAPACITY;
        if (count == CAPACITY) {
            overflowed |= now - times[oldest] < RECENT_NANOS;
            oldest = (oldest + 1) % CAPACITY;
        } else {
            count++;
        }
        starts[slot] = start;
        ends[slot] = end;
        times[slot] = now;
    }

    /** For the pause, while the fault thread does nothing. */
    void letGoAgain() {
        for (int i = 0; i < count; i++) {
            int slot = (oldest + i) % CAPACITY;
            letGo(starts[slot], ends[slot]);
        }
        if (overflowed) {
            letGo(0, Long.MAX_VALUE);
        }
        count = 0;
        overflowed = false;
    }

    private void letGo(long start, long end) {
        for (int i = 0; i < regions.size(); i++) {
            CaptureRegion region = regions.get(i);
            long from = Math.max(start, region.address);
            long to = Math.min(end, region.address + region.sizeBytes());
            if (from < to) {
                letGo(region.states, region.pageAt(from), region.pageAt(to - 1) + 1);
            }
        }
    }

    private static void letGo(PageStates states, int first, int limit) {
        for (int page = first; page < limit; page++) {
            byte state = states.get(page);
            while ((state == PageStates.ARMED || state == PageStates.CLEAN)
                    && !states.change(page, state, PageStates.LOOSE)) {
                state = states.get(page);
            }
        }
    }
}
