package org.vmckpt.cow.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.linux.NativeBuffer;

/**
 * The memory that the detached requests of one connection are executed in. That it is bounded is
 * what bounds how many requests of a connection are under way: its reader waits for a free slot.
 */
final class Slots implements AutoCloseable {
    static final int SMALL_BYTES = 64 << 10;
    static final int LARGE_BYTES = 2 << 20;

    private static final int SMALL_COUNT = 128;
    private static final int LARGE_COUNT = 8;

    private static final long QUIET_NANOS = 2_000_000;
    private static final long LOOK_NANOS = 20_000;

    /** Room for the data of one request. */
    record Slot(ByteBuffer memory) {
        boolean isLarge() {
            return memory.capacity() > SMALL_BYTES;
        }
    }

    private final NativeBuffer memory;
    private final BlockingQueue<Slot> small = new ArrayBlockingQueue<>(SMALL_COUNT);
    private final BlockingQueue<Slot> large = new ArrayBlockingQueue<>(LARGE_COUNT);
    private final AtomicInteger inUse = new AtomicInteger();

    Slots() throws IOException {
        this.memory =
                NativeBuffer.reserve(
                        (long) SMALL_COUNT * SMALL_BYTES + (long) LARGE_COUNT * LARGE_BYTES);
        for (int i = 0; i < SMALL_COUNT; i++) {
            small.add(slot((long) i * SMALL_BYTES, SMALL_BYTES));
        }
        for (int i = 0; i < LARGE_COUNT; i++) {
            large.add(slot((long) SMALL_COUNT * SMALL_BYTES + (long) i * LARGE_BYTES, LARGE_BYTES));
        }
    }

    private Slot slot(long start, int length) {
        return new Slot(memory.slice(start, length).order(ByteOrder.BIG_ENDIAN));
    }

    /** A free slot for so many bytes, or null when there is none just now. */
    @Nullable Slot poll(long bytes) {
        Slot slot = of(bytes).poll();
        if (slot != null) {
            inUse.incrementAndGet();
        }
        return slot;
    }

    /** Waits for a free slot for so many bytes. */
    Slot take(long bytes) throws InterruptedException {
        Slot slot = of(bytes).take();
        inUse.incrementAndGet();
        return slot;
    }

    void free(Slot slot) {
        inUse.decrementAndGet();
        (slot.isLarge() ? large : small).add(slot);
    }

    private BlockingQueue<Slot> of(long bytes) {
        return bytes > SMALL_BYTES ? large : small;
    }

    /** Whether no request is under way in any. */
    boolean areQuiet() {
        return inUse.get() == 0;
    }

    /** Waits a moment for that; no longer, for some may wait for what their reader brings. */
    boolean awaitQuiet() {
        for (long end = System.nanoTime() + QUIET_NANOS; !areQuiet() && System.nanoTime() < end; ) {
            LockSupport.parkNanos(LOOK_NANOS);
        }
        return areQuiet();
    }

    /** Waits until all requests are done. The slots are not free again after that. */
    void awaitAll() throws InterruptedException {
        for (int i = 0; i < SMALL_COUNT; i++) {
            small.take();
        }
        for (int i = 0; i < LARGE_COUNT; i++) {
            large.take();
        }
    }

    /** Only after {@link #awaitAll}. */
    @Override
    public void close() {
        memory.close();
    }
}
