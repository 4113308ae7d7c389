package org.vmckpt.cow.checkpoint;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.SegmentKind;
import org.vmckpt.core.store.SegmentWriter;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.stream.DeviceStream.RamBlock;
import org.vmckpt.core.stream.RamPages.BlockPages;
import org.vmckpt.cow.checkpoint.BatchWriters.Batch;

/**
 * One block of memory on its way from the stream to the store.
 *
 * <p>QEMU sends a page again when it changed meanwhile, which is rare, since the guest stands still
 * or its memory is protected. Such pages become a second, small layer: a segment has each page
 * once.
 */
final class StreamedBlock implements BlockPages, AutoCloseable {
    private static final int PAGE_BYTES = Batch.PAGE_BYTES;

    /** Many more than devices change while the guest stands still. */
    private static final int MAX_LATE_PAGES = 4096;

    /** Hears that a batch was stored, and may end the checkpoint. */
    interface Progress {
        void advance() throws VmckptException;
    }

    private final RamBlock block;
    private final Store store;
    private final BatchWriters writers;
    private final BatchWriters.Target sink;
    private final SegmentWriter segment;
    private final Runnable begun;
    private final BitSet seen = new BitSet();
    private final Map<Long, byte[]> late = new TreeMap<>();
    private @Nullable Batch batch;
    private long firstZero;
    private long zeroCount;
    private long zeroTotal;

    StreamedBlock(
            RamBlock block, Store store, BatchWriters writers, Runnable begun, Progress progress)
            throws VmckptException {
        this.block = block;
        this.store = store;
        this.writers = writers;
        this.begun = begun;
        this.segment = store.newSegment(SegmentKind.MEMORY, PAGE_BYTES, block.sizeBytes());
        this.sink =
                (pages, count, data) -> {
                    segment.append(pages, count, data);
                    progress.advance();
                };
    }

    @Override
    public void page(long number, ByteBuffer content) throws VmckptException {
        if (isLate(number)) {
            byte[] copy = new byte[PAGE_BYTES];
            content.get(copy);
            addLate(number, copy);
            return;
        }
        if (batch == null) {
            batch = writers.take();
        }
        batch.add(number, content);
        if (batch.isFull()) {
            writers.submit(batch, sink);
            batch = null;
        }
    }

    @Override
    public void zero(long number) throws VmckptException {
        if (isLate(number)) {
            addLate(number, new byte[PAGE_BYTES]);
            return;
        }
        zeroTotal++;
        if (zeroCount > 0 && number == firstZero + zeroCount) {
            zeroCount++;
            return;
        }
        segment.appendZeros(firstZero, zeroCount);
        firstZero = number;
        zeroCount = 1;
    }

    private boolean isLate(long number) {
        int bit = Math.toIntExact(number);
        if (seen.isEmpty()) {
            begun.run();
        }
        boolean again = seen.get(bit);
        seen.set(bit);
        return again;
    }

    private void addLate(long number, byte[] content) throws RefusedException {
        late.put(number, content);
        if (late.size() > MAX_LATE_PAGES) {
            throw new RefusedException(
                    "checkpoint: more than "
                            + MAX_LATE_PAGES
                            + " pages of "
                            + block.name()
                            + " changed while the guest was being saved; something beside its CPUs"
                            + " writes its memory; take the checkpoint again without that");
        }
    }

    /** The stream has ended: everything that is held back goes to the writers. */
    void flush() throws VmckptException {
        if (seen.cardinality() != pageCount()) {
            throw new CorruptException(
                    "migration stream: %d of %d pages of the RAM block \"%s\" are missing; take the checkpoint again"
                            .formatted(
                                    pageCount() - seen.cardinality(), pageCount(), block.name()));
        }
        segment.appendZeros(firstZero, zeroCount);
        zeroCount = 0;
        if (batch != null) {
            writers.submit(batch, sink);
            batch = null;
        }
    }

    private long pageCount() {
        return block.sizeBytes() / PAGE_BYTES;
    }

    /** After the writers are done. */
    MemoryBlock finish() throws VmckptException {
        List<SegmentName> layers = new ArrayList<>();
        layers.add(segment.finish());
        if (!late.isEmpty()) {
            layers.add(writeLate());
        }
        return new MemoryBlock(block.name(), block.sizeBytes(), PAGE_BYTES, layers);
    }

    private SegmentName writeLate() throws VmckptException {
        try (SegmentWriter layer =
                store.newSegment(SegmentKind.MEMORY, PAGE_BYTES, block.sizeBytes())) {
            for (Map.Entry<Long, byte[]> page : late.entrySet()) {
                layer.append(new long[] {page.getKey()}, 1, ByteBuffer.wrap(page.getValue()));
            }
            return layer.finish();
        }
    }

    long zeroPages() {
        return zeroTotal;
    }

    long dataBytes() {
        return (seen.cardinality() - zeroTotal) * PAGE_BYTES;
    }

    long storedBytes() {
        return segment.storedBytes();
    }

    @Override
    public void close() {
        segment.close();
    }
}
