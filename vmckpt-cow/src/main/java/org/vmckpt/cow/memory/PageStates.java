package org.vmckpt.cow.memory;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * What is known of each page of a region between two checkpoints and during one.
 *
 * <pre>
 * state     protected  in the next checkpoint  a write fault on it means
 * LOOSE     no (*)     yes, it was written     lift: the message is an old one, or see (*)
 * ARMED     yes        yes                     before the pause: lift. After it: save, then lift
 * CLEAN     yes        no, it is unchanged     lift
 * COPYING   yes        being read just now     note that somebody waits: AWAITED
 * AWAITED   yes        the same                nothing: whoever copies it lifts it
 * FAULTING  either     the fault thread has it nothing: the fault thread lifts it
 * </pre>
 *
 * <p>All but FAULTING go to LOOSE by way of it or of COPYING: the protection is lifted first, and
 * only then is the page LOOSE. Pages are armed from LOOSE alone, the state before the protection.
 * So a page that is ARMED or CLEAN is protected, whatever threads overtake each other; the
 * converse, (*) a LOOSE page that is protected, costs a fault and nothing else.
 */
final class PageStates {
    static final byte LOOSE = 0;
    static final byte ARMED = 1;
    static final byte CLEAN = 2;
    static final byte COPYING = 3;
    static final byte AWAITED = 4;
    static final byte FAULTING = 5;
    private static final byte PADDING = 6;

    private static final VarHandle STATE = MethodHandles.arrayElementVarHandle(byte[].class);
    private static final VarHandle EIGHT =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final long ONES = 0x0101010101010101L;
    private static final long HIGHS = 0x8080808080808080L;

    private static final byte NONE = 0;
    private static final byte SOME = 1;

    private final byte[] states;

    // Of each block: NONE if no page of it is LOOSE. Set after the state, cleared before a look.
    private final byte[] looseBlocks;

    PageStates(int pageCount) {
        states = new byte[(pageCount + Long.BYTES - 1) / Long.BYTES * Long.BYTES];
        Arrays.fill(states, pageCount, states.length, PADDING);
        looseBlocks = new byte[Math.ceilDiv(pageCount, HotBlocks.BLOCK_PAGES)];
        Arrays.fill(looseBlocks, SOME);
    }

    byte get(int page) {
        return (byte) STATE.getVolatile(states, page);
    }

    /** Changes a page's state if it is {@code from}; of two threads that try, one succeeds. */
    boolean change(int page, byte from, byte to) {
        boolean changed = STATE.compareAndSet(states, page, from, to);
        if (changed && to == LOOSE) {
            noteLoose(page, 1);
        }
        return changed;
    }

    /** Sets the state of pages that the caller alone has. */
    void set(int first, int count, byte state) {
        for (int page = first; page < first + count; page++) {
            STATE.setVolatile(states, page, state);
        }
        if (state == LOOSE && count > 0) {
            noteLoose(first, count);
        }
    }

    private void noteLoose(int first, int count) {
        for (int i = first / HotBlocks.BLOCK_PAGES;
                i <= (first + count - 1) / HotBlocks.BLOCK_PAGES;
                i++) {
            STATE.setVolatile(looseBlocks, i, SOME);
        }
    }

    /** Makes {@link #nextLoose} pass by whatever has no LOOSE page; others may change states. */
    void lookForLoose() {
        for (int i = 0; i < looseBlocks.length; i++) {
            STATE.setVolatile(looseBlocks, i, NONE);
            // Whoever changes a state that this look has seen already, sets the block after this.
            VarHandle.fullFence();
            int first = i * HotBlocks.BLOCK_PAGES;
            int limit = Math.min(first + HotBlocks.BLOCK_PAGES, states.length);
            if (next(LOOSE, first, limit) < limit) {
                STATE.setVolatile(looseBlocks, i, SOME);
            }
        }
    }

    /** Takes pages from {@code first} on, up to {@code limit} or the first in another state. */
    int changeRun(int first, int limit, byte from, byte to) {
        int page = first;
        while (page < limit && change(page, from, to)) {
            page++;
        }
        return page - first;
    }

    /** How many pages are in a state, about: others may change them meanwhile. */
    int count(byte state, int pages) {
        int count = 0;
        for (int page = next(state, 0, pages); page < pages; page = next(state, page + 1, pages)) {
            count++;
        }
        return count;
    }

    /** As {@link #next} of LOOSE, without a look at every page of a guest that has millions. */
    int nextLoose(int first, int limit) {
        int page = first;
        while (page < limit) {
            int end = Math.min(limit, (page / HotBlocks.BLOCK_PAGES + 1) * HotBlocks.BLOCK_PAGES);
            if ((byte) STATE.getVolatile(looseBlocks, page / HotBlocks.BLOCK_PAGES) != NONE) {
                int found = next(LOOSE, page, end);
                if (found < end) {
                    return found;
                }
            }
            page = end;
        }
        return limit;
    }

    /** Whether all of the first pages are in a state, about. */
    boolean all(byte state, int pages) {
        int page = 0;
        long pattern = ONES * state;
        while (page + Long.BYTES <= pages && (long) EIGHT.get(states, page) == pattern) {
            page += Long.BYTES;
        }
        while (page < pages && get(page) == state) {
            page++;
        }
        return page == pages;
    }

    /** The first page in the range that is in a state, or {@code limit}. Eight at a time. */
    int next(byte state, int first, int limit) {
        int page = first;
        while (page < limit && page % Long.BYTES != 0) {
            if (get(page) == state) {
                return page;
            }
            page++;
        }
        long pattern = ONES * state;
        while (page < limit) {
            long different = (long) EIGHT.get(states, page) ^ pattern;
            long equal = (different - ONES) & ~different & HIGHS;
            if (equal != 0) {
                // The lowest byte that is marked is a true match; those above it may not be.
                return Math.min(limit, page + Long.numberOfTrailingZeros(equal) / Byte.SIZE);
            }
            page += Long.BYTES;
        }
        return limit;
    }
}
