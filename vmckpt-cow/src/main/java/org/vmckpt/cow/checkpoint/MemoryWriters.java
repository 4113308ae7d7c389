package org.vmckpt.cow.checkpoint;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.memory.PageSink;
import org.vmckpt.cow.memory.RamRegion;

/** Puts captured pages into the store: one new layer for each block of guest memory. */
final class MemoryWriters implements PageSink, AutoCloseable {
    private final List<RamRegion> regions;
    private final List<MemoryLayer> layers = new ArrayList<>();
    private final AtomicLong doneBytes = new AtomicLong();
    private final long totalBytes;
    private final ProgressListener progress;
    private final Cancellation cancellation;

    private MemoryWriters(
            List<RamRegion> regions, ProgressListener progress, Cancellation cancellation) {
        this.regions = regions;
        this.progress = progress;
        this.cancellation = cancellation;
        this.totalBytes = regions.stream().mapToLong(RamRegion::sizeBytes).sum();
    }

    static MemoryWriters open(
            Store store,
            List<RamRegion> regions,
            MemoryParent parent,
            ProgressListener progress,
            Cancellation cancellation)
            throws VmckptException {
        MemoryWriters all = new MemoryWriters(regions, progress, cancellation);
        try {
            for (RamRegion region : regions) {
                all.layers.add(MemoryLayer.open(store, region, parent));
            }
            return all;
        } catch (VmckptException e) {
            all.close();
            throw e;
        }
    }

    @Override
    public void write(int region, long[] pages, int count, ByteBuffer data) throws VmckptException {
        cancellation.check();
        layers.get(region).append(pages, count, data);
        advance(region, count);
    }

    @Override
    public void writeZeros(int region, long firstPage, long pageCount) throws VmckptException {
        layers.get(region).appendZeros(firstPage, pageCount);
        advance(region, pageCount);
    }

    @Override
    public void hurry(boolean urgent) {
        layers.forEach(layer -> layer.hurry(urgent));
    }

    private void advance(int region, long pageCount) {
        long bytes = pageCount * regions.get(region).pageSizeBytes();
        progress.update("store memory", doneBytes.addAndGet(bytes), totalBytes, "B");
    }

    long storedBytes() {
        return layers.stream().mapToLong(MemoryLayer::storedBytes).sum();
    }

    List<MemoryBlock> finish() throws VmckptException {
        List<MemoryBlock> blocks = new ArrayList<>();
        for (MemoryLayer layer : layers) {
            blocks.add(layer.finish());
        }
        return blocks;
    }

    /** Parents that could not be built on. */
    List<String> warnings() {
        return layers.stream().flatMap(layer -> layer.warning().stream()).toList();
    }

    @Override
    public void close() {
        layers.forEach(MemoryLayer::close);
    }
}
