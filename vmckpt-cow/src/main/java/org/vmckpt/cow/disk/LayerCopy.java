package org.vmckpt.cow.disk;

import java.nio.ByteBuffer;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.SegmentKind;
import org.vmckpt.core.store.SegmentWriter;
import org.vmckpt.core.store.Store;

/**
 * Copies what one file of a chain says into one segment.
 *
 * <p>A unit about which the file says nothing is left out. One that the file knows only in part,
 * since its clusters are smaller than a unit or its end is not aligned, is completed from the files
 * below: a unit in the store is always whole.
 */
final class LayerCopy implements AutoCloseable {
    static final int UNIT_BYTES = 64 * 1024;
    private static final int BATCH_UNITS = 64;

    private final Store store;
    private final FrozenChain chain;
    private final int layer;
    private final long sizeBytes;
    private final ByteBuffer batch = ByteBuffer.allocateDirect(BATCH_UNITS * UNIT_BYTES);
    private final long[] units = new long[BATCH_UNITS];
    private int unitCount;
    private long readBytes;
    private @Nullable SegmentWriter writer;

    LayerCopy(Store store, FrozenChain chain, int layer) {
        this.store = store;
        this.chain = chain;
        this.layer = layer;
        this.sizeBytes = chain.virtualSizeBytes(layer);
    }

    /** Returns the layer alone: no segment if the file says nothing. */
    CopiedDisk run(String phase, ProgressListener progress) throws VmckptException {
        long total = chain.dataBytes(layer);
        progress.update(phase, 0, total, "bytes");
        long offset = 0;
        while (offset < sizeBytes) {
            Extent extent = chain.extentAt(layer, offset, sizeBytes);
            long unitsInExtent = wholeUnits(extent);
            if (unitsInExtent == 0) {
                addUnits(offset / UNIT_BYTES, 1, phase, total, progress);
                offset += UNIT_BYTES;
            } else {
                addExtent(extent, unitsInExtent, phase, total, progress);
                offset += unitsInExtent * UNIT_BYTES;
            }
        }
        return finish();
    }

    @Override
    public void close() {
        if (writer != null) {
            writer.close();
        }
    }

    /** Extents start at a unit here; the disk's end counts as a unit's end. */
    private long wholeUnits(Extent extent) {
        return extent.endBytes() == sizeBytes
                ? Math.ceilDiv(extent.lengthBytes(), (long) UNIT_BYTES)
                : extent.lengthBytes() / UNIT_BYTES;
    }

    private void addExtent(
            Extent extent, long count, String phase, long total, ProgressListener progress)
            throws VmckptException {
        long first = extent.offsetBytes() / UNIT_BYTES;
        switch (extent.kind()) {
            case ABSENT -> {}
            case ZERO -> addZeros(first, count);
            case DATA -> addUnits(first, count, phase, total, progress);
        }
    }

    private void addZeros(long first, long count) throws VmckptException {
        // Below the bottom layer there are zeros anyway.
        if (layer > 0) {
            writer().appendZeros(first, count);
        }
    }

    private void addUnits(
            long first, long count, String phase, long total, ProgressListener progress)
            throws VmckptException {
        long next = first;
        while (next < first + count) {
            int room = (int) Math.min(BATCH_UNITS - unitCount, first + count - next);
            batch.limit((unitCount + room) * UNIT_BYTES);
            chain.read(layer, next * UNIT_BYTES, batch);
            for (int i = 0; i < room; i++) {
                units[unitCount++] = next++;
            }
            readBytes += (long) room * UNIT_BYTES;
            if (unitCount == BATCH_UNITS) {
                flush();
                progress.update(phase, Math.min(readBytes, total), total, "bytes");
            }
        }
    }

    private void flush() throws VmckptException {
        if (unitCount > 0) {
            writer().append(units, unitCount, batch.flip());
            batch.clear();
            unitCount = 0;
        }
    }

    private SegmentWriter writer() throws VmckptException {
        if (writer == null) {
            writer = store.newSegment(SegmentKind.DISK, UNIT_BYTES, sizeBytes);
        }
        return writer;
    }

    private CopiedDisk finish() throws VmckptException {
        flush();
        if (writer == null) {
            return new CopiedDisk(List.of(), 0, 0);
        }
        var name = writer.finish();
        return new CopiedDisk(List.of(name), readBytes, writer.storedBytes());
    }
}
