package org.vmckpt.cow.memory;

import java.util.Arrays;
import org.vmckpt.cow.linux.ErrnoException;

/**
 * Where a region's file had data and where holes, at one look that takes about 20 ns a page: too
 * long for a pause, or for the window after it. A look before anything is protected tells how much
 * there is to read, about. What the copier goes by is a second one, when all of the region is
 * protected: what is filled after that is written by the guest, and so noted in {@link
 * WrittenPages}.
 */
final class DataExtents {
    private static final int MAX_EXTENTS = 200_000;

    private int[] firsts = new int[16];
    private int[] ends = new int[16];
    private int count;
    private int pages;

    /** Takes a look; false when there are so many pieces that it is given up. */
    boolean find(CaptureRegion region) throws ErrnoException {
        count = 0;
        pages = 0;
        long limit = region.offsetOf(region.pageCount);
        long data = region.file.nextData(region.offsetOf(0));
        while (data >= 0 && data < limit) {
            if (count == MAX_EXTENTS) {
                return false;
            }
            long hole = Math.min(limit, region.file.nextHole(data));
            add(region.pageAtOffset(data), region.pageAtOffset(hole + region.pageBytes - 1));
            data = region.file.nextData(hole);
        }
        return true;
    }

    private void add(int first, int end) {
        if (count == firsts.length) {
            firsts = Arrays.copyOf(firsts, 2 * count);
            ends = Arrays.copyOf(ends, 2 * count);
        }
        firsts[count] = first;
        ends[count++] = end;
        pages += end - first;
    }

    /** The first extent that ends behind a page. */
    int endingBehind(int page) {
        int found = Arrays.binarySearch(ends, 0, count, page);
        return found >= 0 ? found + 1 : -found - 1;
    }

    /** Whether none of the pages was a hole. */
    boolean cover(int first, int end) {
        int extent = endingBehind(first);
        return extent < count && firsts[extent] <= first && ends[extent] >= end;
    }

    int count() {
        return count;
    }

    int first(int extent) {
        return firsts[extent];
    }

    int end(int extent) {
        return ends[extent];
    }

    int pages() {
        return pages;
    }
}
