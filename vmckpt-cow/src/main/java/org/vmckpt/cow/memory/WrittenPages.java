package org.vmckpt.cow.memory;

import java.util.BitSet;

/**
 * Which parts of a region the guest wrote right before its pause, in chunks of pages. For one
 * thread after another.
 */
final class WrittenPages {
    private static final int CHUNK_PAGES = 64;

    private final BitSet chunks = new BitSet();

    void clear() {
        chunks.clear();
    }

    void note(int firstPage, int endPage) {
        chunks.set(firstPage / CHUNK_PAGES, Math.ceilDiv(endPage, CHUNK_PAGES));
    }

    /** The first noted page at or after {@code page}; -1 when there is none. */
    int next(int page) {
        int chunk = chunks.nextSetBit(page / CHUNK_PAGES);
        return chunk < 0 ? -1 : Math.max(page, chunk * CHUNK_PAGES);
    }

    /** The end of the run of noted pages that {@code page} is in; may lie beyond the region's. */
    int endOfRun(int page) {
        return chunks.nextClearBit(page / CHUNK_PAGES) * CHUNK_PAGES;
    }
}
