package org.vmckpt.cow.checkpoint;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.NativeBuffer;
import org.vmckpt.cow.linux.ThreadPriority;

/**
 * A bounded buffer of page batches, and the threads that bring full ones to the store. One thread
 * fills batches; when the store is slower than it, and the budget is used up, it waits.
 */
final class BatchWriters implements AutoCloseable {
    /** Compression may take its time; the guest's vCPUs go first. */
    private static final int NICENESS = 10;

    private static final int MAX_THREADS = 4;

    /** Memory is taken in such pieces, as it is needed. */
    private static final int CHUNK_BYTES = 4 << 20;

    private static final long LOOK_MILLIS = 100;

    /** What a full batch is brought to. */
    interface Target {
        void write(long[] pages, int count, ByteBuffer data) throws VmckptException;
    }

    /** Room for some pages of one block. */
    static final class Batch {
        static final int PAGES = 64;
        static final int PAGE_BYTES = 4096;
        static final int BYTES = PAGES * PAGE_BYTES;

        private final long[] pages = new long[PAGES];
        private final ByteBuffer data;
        private int count;

        private Batch(ByteBuffer data) {
            this.data = data;
        }

        void add(long page, ByteBuffer content) {
            pages[count++] = page;
            data.put(content);
        }

        boolean isFull() {
            return count == PAGES;
        }
    }

    private final int maxBatches;
    private final BlockingQueue<Batch> free;
    private final List<NativeBuffer> memory = new ArrayList<>();
    private final ExecutorService threads;
    private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    private volatile boolean closed;

    BatchWriters(long budgetBytes) {
        this.maxBatches = (int) Math.min(budgetBytes / Batch.BYTES, Integer.MAX_VALUE);
        this.free = new ArrayBlockingQueue<>(maxBatches);
        int count = Math.min(MAX_THREADS, Runtime.getRuntime().availableProcessors());
        this.threads =
                Executors.newFixedThreadPool(
                        count, Thread.ofPlatform().name("vmckpt-writer-", 0).daemon().factory());
        for (int i = 0; i < count; i++) {
            threads.execute(() -> ThreadPriority.trySetNicenessOfThisThread(NICENESS));
        }
    }

    /** An empty batch, waiting for one if need be. */
    Batch take() throws VmckptException {
        Batch batch = free.poll();
        if (batch == null && madeBatches() < maxBatches) {
            allocate();
            batch = free.poll();
        }
        while (batch == null) {
            throwFailure();
            if (closed) {
                throw new RefusedException("checkpoint: given up while memory was being stored");
            }
            batch = poll();
        }
        batch.count = 0;
        batch.data.clear();
        return batch;
    }

    private @Nullable Batch poll() throws RefusedException {
        try {
            return free.poll(LOOK_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RefusedException("checkpoint: interrupted while memory was being stored", e);
        }
    }

    private int madeBatches() {
        return Math.toIntExact(
                memory.stream().mapToLong(chunk -> chunk.sizeBytes() / Batch.BYTES).sum());
    }

    private void allocate() throws RefusedException {
        int count = Math.min(CHUNK_BYTES / Batch.BYTES, maxBatches - madeBatches());
        try {
            NativeBuffer chunk = NativeBuffer.allocate((long) count * Batch.BYTES);
            memory.add(chunk);
            for (int i = 0; i < count; i++) {
                free.add(new Batch(chunk.slice((long) i * Batch.BYTES, Batch.BYTES)));
            }
        } catch (ErrnoException e) {
            throw new RefusedException(
                    "checkpoint: no memory for pages on their way to the store ("
                            + e.getMessage()
                            + "); give a smaller --cow-budget",
                    e);
        }
    }

    void submit(Batch batch, Target target) throws VmckptException {
        throwFailure();
        batch.data.flip();
        threads.execute(() -> write(batch, target));
    }

    private void write(Batch batch, Target target) {
        try {
            if (failure.get() == null && !closed) {
                target.write(batch.pages, batch.count, batch.data);
            }
        } catch (Throwable e) {
            failure.compareAndSet(null, e);
        }
        free.add(batch);
    }

    private void throwFailure() throws VmckptException {
        Throwable first = failure.get();
        if (first instanceof VmckptException known) {
            throw known;
        }
        if (first != null) {
            throw new IllegalStateException(first);
        }
    }

    /** Waits until everything that was submitted is stored; nothing may be submitted after it. */
    void drain() throws VmckptException {
        threads.shutdown();
        try {
            while (!threads.awaitTermination(LOOK_MILLIS, TimeUnit.MILLISECONDS)) {
                throwFailure();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RefusedException("checkpoint: interrupted; the guest runs on", e);
        }
        throwFailure();
    }

    /** Nobody waits for a batch any longer. */
    void giveUp() {
        closed = true;
    }

    /** Only after the thread that fills batches has ended. */
    @Override
    public void close() {
        giveUp();
        // Waits for the threads: they use the memory.
        threads.close();
        memory.forEach(NativeBuffer::close);
        memory.clear();
    }
}
