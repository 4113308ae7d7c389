package org.vmckpt.cow.checkpoint;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.stream.DeviceStream.RamBlock;
import org.vmckpt.core.stream.RamPages;

/** Guest memory on its way from QEMU's stream to the store: one segment for each block. */
final class StreamedMemory implements RamPages, AutoCloseable {
    private final Store store;
    private final List<MemoryBackend> backends;
    private final BatchWriters writers;
    private final ProgressListener progress;
    private final Cancellation cancellation;
    private final List<StreamedBlock> blocks = new ArrayList<>();
    private final AtomicLong storedBytes = new AtomicLong();
    private final long totalBytes;
    private final CountDownLatch begun = new CountDownLatch(1);

    StreamedMemory(
            Store store,
            List<MemoryBackend> backends,
            long budgetBytes,
            ProgressListener progress,
            Cancellation cancellation) {
        this.store = store;
        this.backends = backends;
        this.writers = new BatchWriters(budgetBytes);
        this.progress = progress;
        this.cancellation = cancellation;
        this.totalBytes = MemoryBackend.totalBytes(backends);
    }

    /** Blocks of memory backends are taken; video memory and ROMs stay with the devices. */
    @Override
    public Optional<BlockPages> open(RamBlock block) throws VmckptException {
        if (backends.stream().noneMatch(backend -> backend.isBlock(block.name()))) {
            return Optional.empty();
        }
        StreamedBlock opened =
                new StreamedBlock(block, store, writers, begun::countDown, this::advance);
        blocks.add(opened);
        return Optional.of(opened);
    }

    /** A batch was stored; only the last one of a block is not full. */
    private void advance() throws VmckptException {
        cancellation.check();
        long done = Math.min(totalBytes, storedBytes.addAndGet(BatchWriters.Batch.BYTES));
        progress.update("store memory", done, totalBytes, "B");
    }

    /** Whether a page has come, or comes in this time. */
    boolean beginsWithin(Duration limit) throws RefusedException {
        try {
            return begun.await(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RefusedException("checkpoint: interrupted while the guest was saved", e);
        }
    }

    /** The stream has ended; every page must have come. */
    void flush() throws VmckptException {
        for (StreamedBlock block : blocks) {
            block.flush();
        }
    }

    /** Waits until all pages are stored. */
    void drain() throws VmckptException {
        writers.drain();
    }

    List<MemoryBlock> finish() throws VmckptException {
        List<MemoryBlock> finished = new ArrayList<>();
        for (StreamedBlock block : blocks) {
            finished.add(block.finish());
        }
        return finished;
    }

    long dataBytes() {
        return blocks.stream().mapToLong(StreamedBlock::dataBytes).sum();
    }

    long zeroPages() {
        return blocks.stream().mapToLong(StreamedBlock::zeroPages).sum();
    }

    long storedBytes() {
        return blocks.stream().mapToLong(StreamedBlock::storedBytes).sum();
    }

    void giveUp() {
        writers.giveUp();
    }

    @Override
    public void close() {
        writers.close();
        blocks.forEach(StreamedBlock::close);
    }
}
