package org.vmckpt.core.store;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/** Reads and verifies every block of a segment, on several processors. */
final class SegmentSweep {
    /** More would only wait for the disk. */
    private static final int MAX_THREADS = 4;

    private static final BlockVisitor VERIFIED = (units, count, data) -> {};

    private final SegmentReader reader;
    private final Listener listener;
    private final AtomicInteger nextBlock = new AtomicInteger();
    private final AtomicLong verified = new AtomicLong();

    /** Hears of each block; called from several threads. */
    interface Listener {
        void verified(int block);

        /** Throws to end the sweep, returns to go on with the other blocks. */
        void damaged(int block, VmckptException problem) throws VmckptException;
    }

    private SegmentSweep(SegmentReader reader, Listener listener) {
        this.reader = reader;
        this.listener = listener;
    }

    /** Returns the number of sound blocks. */
    static long run(SegmentReader reader, Listener listener) throws VmckptException {
        SegmentSweep sweep = new SegmentSweep(reader, listener);
        int threads = Math.min(MAX_THREADS, Runtime.getRuntime().availableProcessors());
        if (threads == 1 || reader.blockCount() < 2 * threads) {
            sweep.work();
        } else {
            sweep.runOn(threads);
        }
        return sweep.verified.get();
    }

    private void runOn(int threads) throws VmckptException {
        try (ExecutorService executor =
                Executors.newFixedThreadPool(
                        threads, Thread.ofPlatform().name("vmckpt-verify-", 0).factory())) {
            List<Future<?>> workers = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                workers.add(
                        executor.submit(() -> {
                            work();
                            return null;
                        }));
            }
            for (Future<?> worker : workers) {
                await(worker);
            }
        }
    }

    private void await(Future<?> worker) throws VmckptException {
        try {
            worker.get();
        } catch (InterruptedException e) {
            stop();
            Thread.currentThread().interrupt();
            throw new StorageException(
                    "verify segment " + reader.name() + ": interrupted; run it again", e);
        } catch (ExecutionException e) {
            stop();
            if (e.getCause() instanceof VmckptException problem) {
                throw problem;
            }
            throw new IllegalStateException("verify segment " + reader.name(), e.getCause());
        }
    }

    private void stop() {
        nextBlock.set(reader.blockCount());
    }

    private void work() throws VmckptException {
        int block;
        while ((block = nextBlock.getAndIncrement()) < reader.blockCount()) {
            try {
                reader.visitBlocks(block, block + 1, VERIFIED);
                verified.incrementAndGet();
                listener.verified(block);
            } catch (VmckptException e) {
                listener.damaged(block, e);
            }
        }
    }
}
