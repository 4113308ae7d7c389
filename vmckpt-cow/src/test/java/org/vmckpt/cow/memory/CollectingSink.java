package org.vmckpt.cow.memory;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicIntegerArray;

/** Keeps one region's pages, and counts how often each came. */
final class CollectingSink implements PageSink {
    final byte[] content;
    AtomicIntegerArray arrivals;

    CollectingSink(long sizeBytes) {
        content = new byte[Math.toIntExact(sizeBytes)];
        arrivals = new AtomicIntegerArray((int) (sizeBytes / Slot.PAGE_BYTES));
        // A page that never comes must not look like zeros.
        Arrays.fill(content, (byte) 0xEE);
    }

    void countAnew() {
        arrivals = new AtomicIntegerArray(arrivals.length());
    }

    int mostArrivals() {
        int most = 0;
        for (int page = 0; page < arrivals.length(); page++) {
            most = Math.max(most, arrivals.get(page));
        }
        return most;
    }

    @Override
    public void write(int region, long[] pages, int count, ByteBuffer data) {
        for (int i = 0; i < count; i++) {
            data.get(content, (int) pages[i] * Slot.PAGE_BYTES, Slot.PAGE_BYTES);
            arrivals.incrementAndGet((int) pages[i]);
        }
    }

    @Override
    public void writeZeros(int region, long firstPage, long pageCount) {
        for (long page = firstPage; page < firstPage + pageCount; page++) {
            int start = (int) page * Slot.PAGE_BYTES;
            Arrays.fill(content, start, start + Slot.PAGE_BYTES, (byte) 0);
            arrivals.incrementAndGet((int) page);
        }
    }
}
