package org.vmckpt.cow.checkpoint;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.ParentComparison;
import org.vmckpt.core.store.SegmentKind;
import org.vmckpt.core.store.SegmentWriter;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.memory.RamRegion;

/** One block of guest memory on its way into the store: a new layer on those of its parent. */
final class MemoryLayer implements AutoCloseable {
    private final RamRegion region;
    private final SegmentWriter writer;
    private final List<SegmentName> below;
    private final @Nullable ParentComparison comparison;

    private MemoryLayer(
            RamRegion region,
            SegmentWriter writer,
            List<SegmentName> below,
            @Nullable ParentComparison comparison) {
        this.region = region;
        this.writer = writer;
        this.below = below;
        this.comparison = comparison;
    }

    static MemoryLayer open(Store store, RamRegion region, MemoryParent parent)
            throws VmckptException {
        SegmentWriter writer =
                store.newSegment(SegmentKind.MEMORY, region.pageSizeBytes(), region.sizeBytes());
        List<SegmentName> below = parent.of(region).map(MemoryBlock::layers).orElse(List.of());
        if (parent.changesKnown() && below.isEmpty()) {
            writer.close();
            throw new IllegalStateException("Changes of " + region.id() + " since nothing");
        }
        try {
            return new MemoryLayer(
                    region, writer, below, comparison(store, region, parent, writer, below));
        } catch (VmckptException e) {
            writer.close();
            throw e;
        }
    }

    /** None where every unit that comes is new. Of a huge page few may be. */
    private static @Nullable ParentComparison comparison(
            Store store,
            RamRegion region,
            MemoryParent parent,
            SegmentWriter writer,
            List<SegmentName> below)
            throws VmckptException {
        if (below.isEmpty() || (parent.changesKnown() && !region.isHuge())) {
            return null;
        }
        return parent.changesKnown()
                ? ParentComparison.ofSome(store, below, writer)
                : ParentComparison.of(store, below, writer);
    }

    void append(long[] pages, int count, ByteBuffer data) throws VmckptException {
        if (comparison != null) {
            comparison.append(pages, count, data);
        } else {
            writer.append(pages, count, data);
        }
    }

    void appendZeros(long firstPage, long pageCount) throws VmckptException {
        if (comparison != null) {
            comparison.appendZeros(firstPage, pageCount);
        } else {
            writer.appendZeros(firstPage, pageCount);
        }
    }

    void hurry(boolean urgent) {
        writer.hurry(urgent);
    }

    long storedBytes() {
        return writer.storedBytes();
    }

    MemoryBlock finish() throws VmckptException {
        return new MemoryBlock(
                region.id(), region.sizeBytes(), region.pageSizeBytes(), finishLayers());
    }

    private List<SegmentName> finishLayers() throws VmckptException {
        if (comparison != null) {
            return comparison.finish();
        }
        if (writer.isEmpty() && !below.isEmpty()) {
            return below;
        }
        List<SegmentName> layers = new ArrayList<>(below);
        layers.add(writer.finish());
        return layers;
    }

    Optional<String> warning() {
        return comparison == null ? Optional.empty() : comparison.warning();
    }

    @Override
    public void close() {
        if (comparison != null) {
            comparison.close();
        }
        writer.close();
    }
}
