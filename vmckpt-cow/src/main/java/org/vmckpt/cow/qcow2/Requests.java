package org.vmckpt.cow.qcow2;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Who may still use a host cluster that was dropped. A request looks an entry up and then reads or
 * writes where it leads, with no lock between the two; so a dropped cluster goes to somebody else
 * only after all requests have left that were there when it was dropped.
 *
 * <p>A request holds a slot that tells the <em>era</em> it began in. It takes the slot before it
 * looks at any entry; both are volatile, so whoever ends an era after an entry changed either sees
 * the slot or knows that the request sees the change.
 */
final class Requests {
    private static final int SLOTS = 128;

    /** Slots lie in cache lines of their own. */
    private static final int STRIDE = 8;

    private static final int FREE = 0;
    private static final int NO_SLOT = -1;

    private final AtomicLongArray slots = new AtomicLongArray(SLOTS * STRIDE);
    private final AtomicInteger withoutSlot = new AtomicInteger();
    private final AtomicLong era = new AtomicLong(1);

    /** Returns what {@link #leave} wants to have back. */
    int enter() {
        long now = era.get();
        int first = (int) Thread.currentThread().threadId() & (SLOTS - 1);
        for (int i = 0; i < SLOTS; i++) {
            int slot = ((first + i) & (SLOTS - 1)) * STRIDE;
            if (slots.get(slot) == FREE && slots.compareAndSet(slot, FREE, now)) {
                return slot;
            }
        }
        withoutSlot.incrementAndGet();
        return NO_SLOT;
    }

    void leave(int slot) {
        if (slot == NO_SLOT) {
            withoutSlot.decrementAndGet();
        } else {
            slots.set(slot, FREE);
        }
    }

    /** Ends an era and returns it. */
    long endEra() {
        return era.getAndIncrement();
    }

    /** Whether no request of {@code ended} or an earlier era is left. */
    boolean allLeft(long ended) {
        if (withoutSlot.get() != 0) {
            return false;
        }
        for (int i = 0; i < SLOTS; i++) {
            long since = slots.get(i * STRIDE);
            if (since != FREE && since <= ended) {
                return false;
            }
        }
        return true;
    }
}
