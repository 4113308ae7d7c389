package org.vmckpt.cow.memory;

import java.nio.ByteBuffer;
import org.vmckpt.cow.linux.NativeBuffer;

/** Room for {@link #PAGES} original pages of one region. One thread at a time has it. */
final class Slot {
    static final int PAGES = 64;
    static final int PAGE_BYTES = 4096;
    static final int BYTES = PAGES * PAGE_BYTES;

    final int index;
    final long[] pages = new long[PAGES];
    private final long address;
    private final ByteBuffer data;
    private int region;
    private int count;

    Slot(NativeBuffer memory, int index) {
        this.index = index;
        this.address = memory.address() + (long) index * BYTES;
        this.data = memory.slice((long) index * BYTES, BYTES);
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
        return PAGES - count;
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
