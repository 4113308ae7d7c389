package org.vmckpt.cow.memory;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.NativeBuffer;

/**
 * The bounded buffer between the guest and the sink: free slots, and full ones on their way.
 *
 * <p>Its memory is populated before a capture, by what that one will need as far as is known: a
 * guest that writes waits for no page fault of ours. The copier leaves some of it to the guest's
 * faults, and goes on in memory that is not populated yet.
 *
 * <p>No locks: a thread that finds nothing sleeps for a moment and looks again. It ends
 * empty-handed once {@code given up} says so, so that no failure elsewhere leaves it waiting.
 */
final class SlotPool implements AutoCloseable {
    private static final long NAP_NANOS = 50_000;
    // With less than this share of free slots the sink has to hurry, with twice as many no longer.
    private static final int TIGHT_SHARE = 8;
    // What a guest may write between the look at its memory and its pause.
    private static final long HEADROOM_BYTES = 32L << 20;
    // To populate costs more than to keep; what would be twice too large is given back.
    private static final int KEEP_FACTOR = 2;

    private final int slotBytes;
    private final NativeBuffer memory;
    private final Slot[] slots;
    private final IntRing populated;
    private final IntRing untouched;
    private final IntRing full;
    private final int reservedForFaults;
    private final BooleanSupplier givenUp;
    // About: of threads that take slots at the same time one may be overlooked.
    private final AtomicInteger fewestFree = new AtomicInteger();
    private final AtomicInteger slotsToCome = new AtomicInteger();
    private int populatedSlots;
    private volatile boolean ranShort;

    SlotPool(int slotCount, int pagesPerSlot, int reservedForFaults, BooleanSupplier givenUp)
            throws ErrnoException {
        this.slotBytes = pagesPerSlot * Slot.PAGE_BYTES;
        this.memory = NativeBuffer.reserve((long) slotCount * slotBytes);
        this.slots = new Slot[slotCount];
        this.populated = new IntRing(slotCount);
        this.untouched = new IntRing(slotCount);
        this.full = new IntRing(slotCount);
        this.reservedForFaults = reservedForFaults;
        this.givenUp = givenUp;
        for (int i = 0; i < slotCount; i++) {
            slots[i] = new Slot(memory, i, pagesPerSlot);
            untouched.offer(i);
        }
        boolean done = false;
        try {
            prepare(0);
            done = true;
        } finally {
            if (!done) {
                close();
            }
        }
    }

    /**
     * Has memory ready for so many bytes of originals and some more, or for as many as there is
     * room. To be called while no slot is in use.
     */
    void prepare(long expectedBytes) throws ErrnoException {
        long bytes = expectedBytes + expectedBytes / 8 + HEADROOM_BYTES;
        int wanted = (int) Math.min(slots.length, bytes / slotBytes + reservedForFaults);
        if (populatedSlots > KEEP_FACTOR * wanted || wanted > populatedSlots || ranShort) {
            resize(wanted);
        }
        ranShort = false;
        fewestFree.set(slots.length);
        expect(expectedBytes);
    }

    /** So many bytes of originals will come. */
    void expect(long bytes) {
        slotsToCome.set((int) (bytes / slotBytes));
    }

    private void resize(int wanted) throws ErrnoException {
        long end = (long) wanted * slotBytes;
        if (wanted < slots.length) {
            memory.release(end, memory.sizeBytes() - end);
        }
        memory.populate(0, end);
        while (populated.poll() != IntRing.NONE || untouched.poll() != IntRing.NONE) {
            // All slots are free, so all of them are dealt out again.
        }
        for (int i = 0; i < slots.length; i++) {
            put(i < wanted ? populated : untouched, slots[i]);
        }
        populatedSlots = wanted;
    }

    /** A free slot at once, or null. */
    @Nullable Slot tryTake() {
        int index = populated.poll();
        return index == IntRing.NONE ? tryTakeUntouched() : take(index);
    }

    private @Nullable Slot tryTakeUntouched() {
        int index = untouched.poll();
        if (index == IntRing.NONE) {
            return null;
        }
        ranShort = true;
        return take(index);
    }

    private Slot take(int index) {
        slotsToCome.decrementAndGet();
        int free = free();
        if (free < fewestFree.get()) {
            fewestFree.set(free);
        }
        return slots[index];
    }

    private int free() {
        return populated.size() + untouched.size();
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
            Slot slot = tryTakeForCopier();
            if (slot != null) {
                return slot;
            }
            LockSupport.parkNanos(NAP_NANOS);
        }
        return null;
    }

    /** As {@link #takeForCopier}, but null when it would have to wait. */
    @Nullable Slot tryTakeForCopier() {
        if (populated.size() > reservedForFaults) {
            return tryTake();
        }
        return free() > reservedForFaults ? tryTakeUntouched() : null;
    }

    /** Whether full slots may wait for a while. */
    boolean hasMuchRoom() {
        int free = free();
        return free > 2 * reservedForFaults && (free > slots.length / 2 || hasRoomForAll(free));
    }

    /**
     * Whether the copier waits for room, or will soon.
     *
     * @param before the answer before, for it to change less often
     */
    boolean isTight(boolean before) {
        int free = free();
        int few = Math.max(2 * reservedForFaults, slots.length / TIGHT_SHARE);
        return free <= reservedForFaults
                || (free < (before ? 2 * few : few) && !hasRoomForAll(free));
    }

    private boolean hasRoomForAll(int free) {
        return slotsToCome.get() + reservedForFaults < free;
    }

    long sizeBytes() {
        return memory.sizeBytes();
    }

    /** How much of it was in use at once since {@link #prepare}, about. */
    long peakBytes() {
        return (long) (slots.length - fewestFree.get()) * slotBytes;
    }

    long populatedBytes() {
        return (long) populatedSlots * slotBytes;
    }

    void submit(Slot slot) {
        put(full, slot);
    }

    /** The next full slot at once, or null. */
    @Nullable Slot pollFull() {
        int index = full.poll();
        return index == IntRing.NONE ? null : slots[index];
    }

    /** Whatever its memory was before, it is populated now. */
    void release(Slot slot) {
        put(populated, slot);
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
