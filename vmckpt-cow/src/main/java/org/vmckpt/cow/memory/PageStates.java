package org.vmckpt.cow.memory;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * The state of each page of a region: PENDING, then CLAIMED by exactly one thread, then DONE.
 *
 * <pre>
 * state    protected  who reads the page   a fault on it means
 * PENDING  yes        nobody yet           claim, save, lift
 * CLAIMED  yes        the claimer          nothing to do: the claimer's lift wakes the writer
 * DONE     no         nobody               lift again: the message is from before the lift
 * </pre>
 */
final class PageStates {
    static final byte PENDING = 0;
    static final byte CLAIMED = 1;
    static final byte DONE = 2;

    private static final VarHandle STATE = MethodHandles.arrayElementVarHandle(byte[].class);

    private final byte[] states;

    PageStates(int pageCount) {
        states = new byte[pageCount];
    }

    byte get(int page) {
        return (byte) STATE.getVolatile(states, page);
    }

    boolean tryClaim(int page) {
        return STATE.compareAndSet(states, page, PENDING, CLAIMED);
    }

    /** Claims pages from {@code first} on, up to {@code limit} or the first that is not pending. */
    int claimRun(int first, int limit) {
        int page = first;
        while (page < limit && tryClaim(page)) {
            page++;
        }
        return page - first;
    }

    /** The first page in the range that was not claimed yet, or {@code limit}. */
    int nextPending(int first, int limit) {
        int page = first;
        while (page < limit && get(page) != PENDING) {
            page++;
        }
        return page;
    }

    void finish(int first, int count) {
        for (int page = first; page < first + count; page++) {
            STATE.setRelease(states, page, DONE);
        }
    }
}
