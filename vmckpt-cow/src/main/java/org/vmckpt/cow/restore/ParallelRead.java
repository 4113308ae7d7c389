package org.vmckpt.cow.restore;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.BlockVisitor;
import org.vmckpt.core.store.LayeredReader;

/** Reads all data of a block of memory, in several threads. */
final class ParallelRead {
    /** Decompression is the work; more threads than this wait for the memory bus. */
    private static final int MAX_THREADS = 8;

    private ParallelRead() {}

    /** Every data unit is visited once, by any of the threads. */
    static void of(LayeredReader reader, BlockVisitor visitor) throws VmckptException {
        int threads = Math.min(MAX_THREADS, Runtime.getRuntime().availableProcessors());
        List<Callable<Void>> parts = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            int first = (int) ((long) reader.blockCount() * i / threads);
            int end = (int) ((long) reader.blockCount() * (i + 1) / threads);
            parts.add(() -> {
                reader.visitBlocks(first, end, visitor);
                return null;
            });
        }
        try (ExecutorService executor = Executors.newFixedThreadPool(threads)) {
            for (Future<Void> part : executor.invokeAll(parts)) {
                part.get();
            }
        } catch (ExecutionException e) {
            if (e.getCause() instanceof VmckptException known) {
                throw known;
            }
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TransportException("interrupted while filling guest memory", e);
        }
    }
}
