package org.vmckpt.cow.memory;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;

/**
 * A bounded queue of small numbers for any number of threads that takes no lock and allocates
 * nothing (D. Vyukov's bounded MPMC queue).
 *
 * <p>Each cell has a turn: the position at which it may be written next, or one more than the
 * position at which it was written and may be read.
 */
final class IntRing {
    static final int NONE = -1;

    private static final long NAP_NANOS = 1_000;

    private final int mask;
    private final AtomicLongArray turns;
    private final int[] values;
    private final AtomicLong head = new AtomicLong();
    private final AtomicLong tail = new AtomicLong();

    IntRing(int capacity) {
        int size = Integer.highestOneBit(Math.max(2, capacity) - 1) << 1;
        mask = size - 1;
        values = new int[size];
        turns = new AtomicLongArray(size);
        for (int i = 0; i < size; i++) {
            turns.set(i, i);
        }
    }

    /**
     * Adds a value; false when the ring is full. A cell whose value was taken by a thread that has
     * not come to say so counts as free: it is waited for.
     */
    boolean offer(int value) {
        while (true) {
            long position = tail.get();
            int cell = (int) position & mask;
            long difference = turns.get(cell) - position;
            if (difference == 0 && tail.compareAndSet(position, position + 1)) {
                values[cell] = value;
                turns.set(cell, position + 1);
                return true;
            } else if (difference < 0) {
                if (position - head.get() > mask) {
                    return false;
                }
                // Not a busy wait: the other thread may need this processor to go on.
                LockSupport.parkNanos(NAP_NANOS);
            }
        }
    }

    /** Takes the oldest value, or {@link #NONE}. */
    int poll() {
        while (true) {
            long position = head.get();
            int cell = (int) position & mask;
            long difference = turns.get(cell) - (position + 1);
            if (difference == 0 && head.compareAndSet(position, position + 1)) {
                int value = values[cell];
                turns.set(cell, position + mask + 1);
                return value;
            } else if (difference < 0) {
                return NONE;
            }
        }
    }

    /** How many values are in it, give or take those on their way. */
    int size() {
        return (int) Math.max(0, tail.get() - head.get());
    }
}
