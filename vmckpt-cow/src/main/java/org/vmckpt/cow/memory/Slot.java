package org.vmckpt.cow.memory;

import java.nio.ByteBuffer;
import org.vmckpt.cow.linux.NativeBuffer;

/**
 * Room for original pages of one region, as many for each slot of a pool. One thread at a time has
 * it.
 */
final class Slot {
    /** The least that a slot has room for. */
    static final int PAGES = 64;

    static final int PAGE_BYTES = 4096;
    static final int BYTES = PAGES * PAGE_BYTES;

    final int index;
    final long[] pages;
    private final long address;
    private final ByteBuffer data;
    private int region;
    private int count;

    Slot(NativeBuffer memory, int index, int capacityPages) {
        int bytes = capacityPages * PAGE_BYTES;
        this.index = index;
        this.pages = new long[capacityPages];
        this.address = memory.address() + (long) index * bytes;
        this.data = memory.slice((long) index * bytes, bytes);
    }

    void reset(int forRegion) {
        region = forRegion;
        count = 0;
    }

    int region() {
        return region;
    }

    int count() {
        return count;
    }

    int free() {
        return pages.length - count;
    }

    /** Where the next page's bytes go. */
    long nextAddress() {
        return address + (long) count * PAGE_BYTES;
    }

    /** Takes note of pages whose bytes were put at {@link #nextAddress}. */
    void add(int firstPage, int pageCount) {
        for (int i = 0; i < pageCount; i++) {
            pages[count++] = (long) firstPage + i;
        }
    }

    ByteBuffer data() {
        return data.clear().limit(count * PAGE_BYTES);
    }
}
