package org.vmckpt.cow.memory;

import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.NativeBuffer;

/**
 * The bounded buffer between the guest and the sink: free slots, and full ones on their way.
 *
 * <p>No locks: a thread that finds nothing sleeps for a moment and looks again. It ends
 * empty-handed once {@code given up} says so, so that no failure elsewhere leaves it waiting.
 */
final class SlotPool implements AutoCloseable {
    private static final long NAP_NANOS = 50_000;

    private final NativeBuffer memory;
    private final Slot[] slots;
    private final IntRing free;
    private final IntRing full;
    private final int reservedForFaults;
    private final BooleanSupplier givenUp;

    SlotPool(int slotCount, int reservedForFaults, BooleanSupplier givenUp) throws ErrnoException {
        this.memory = NativeBuffer.allocate((long) slotCount * Slot.BYTES);
        this.slots = new Slot[slotCount];
        this.free = new IntRing(slotCount);
        this.full = new IntRing(slotCount);
        this.reservedForFaults = reservedForFaults;
        this.givenUp = givenUp;
        for (int i = 0; i < slotCount; i++) {
            slots[i] = new Slot(memory, i);
            free.offer(i);
        }
    }

    /** A free slot at once, or null. */
    @Nullable Slot tryTake() {
        int index = free.poll();
        return index == IntRing.NONE ? null : slots[index];
    }

    /**
     * A free slot for the fault thread, waiting for one if need be.
     *
     * @return null once given up, or when none came free within {@code patienceNanos}
     */
    @Nullable Slot takeForFaults(long patienceNanos) {
        long start = System.nanoTime();
        Slot slot = tryTake();
        while (slot == null
                && !givenUp.getAsBoolean()
                && System.nanoTime() - start < patienceNanos) {
            LockSupport.parkNanos(NAP_NANOS);
            slot = tryTake();
        }
        return slot;
    }

    /** As {@link #takeForFaults}, but leaves the last few slots to the guest's faults. */
    @Nullable Slot takeForCopier() {
        while (!givenUp.getAsBoolean()) {
            Slot slot = free.size() > reservedForFaults ? tryTake() : null;
            if (slot != null) {
                return slot;
            }
            LockSupport.parkNanos(NAP_NANOS);
        }
        return null;
    }

    /** Whether full slots may wait for a while. */
    boolean hasMuchRoom() {
        return free.size() > slots.length / 2;
    }

    void submit(Slot slot) {
        put(full, slot);
    }

    /** The next full slot at once, or null. */
    @Nullable Slot pollFull() {
        int index = full.poll();
        return index == IntRing.NONE ? null : slots[index];
    }

    void release(Slot slot) {
        put(free, slot);
    }

    /** Each ring has room for all slots. */
    private static void put(IntRing ring, Slot slot) {
        if (!ring.offer(slot.index)) {
            throw new IllegalStateException("More slots than the pool has");
        }
    }

    @Override
    public void close() {
        memory.close();
    }
}
