package org.vmckpt.cow.memory;

import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * Blocks of a region that the guest wrote while memory was armed ahead of its pause. To arm them
 * once more before it would only cost the guest more faults, so they are left to it.
 *
 * <p>The fault thread adds blocks while another thread arms what is in none of them; a block that
 * is missed is armed, and faults once more.
 */
final class HotBlocks {
    static final int BLOCK_PAGES = 512;

    private final AtomicIntegerArray blocks;

    HotBlocks(int pageCount) {
        blocks = new AtomicIntegerArray(Math.ceilDiv(pageCount, BLOCK_PAGES));
    }

    void clear() {
        for (int i = 0; i < blocks.length(); i++) {
            blocks.set(i, 0);
        }
    }

    boolean contains(int page) {
        return blocks.get(page / BLOCK_PAGES) != 0;
    }

    void add(int page) {
        blocks.set(page / BLOCK_PAGES, 1);
    }

    /** The first page at or after {@code page} that is in none of them; may be behind the last. */
    int nextCold(int page) {
        int next = page;
        while (next / BLOCK_PAGES < blocks.length() && contains(next)) {
            next = endOfBlock(next);
        }
        return next;
    }

    /** The first page after {@code page} that is in one of them, at most {@code limit}. */
    int nextHot(int page, int limit) {
        int next = page;
        while (next < limit && !contains(next)) {
            next = endOfBlock(next);
        }
        return Math.min(next, limit);
    }

    static int endOfBlock(int page) {
        return (page / BLOCK_PAGES + 1) * BLOCK_PAGES;
    }
}
