package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import org.vmckpt.core.VmckptException;

/**
 * Collects units one by one and appends them to a segment when they fill a block, so that a layer
 * of few, scattered units compresses as well as any. Used by one thread at a time.
 */
final class UnitBatch {
    private final SegmentWriter writer;
    private final int unitSize;
    private final long[] units;
    private final ByteBuffer data;
    private int count;

    UnitBatch(SegmentWriter writer) {
        this.writer = writer;
        this.unitSize = writer.unitSizeBytes();
        this.units = new long[SegmentFormat.unitsPerBlock(unitSize)];
        this.data = ByteBuffer.allocateDirect(units.length * unitSize);
    }

    /** Takes the unit that starts at {@code offset}, counted from the buffer's beginning. */
    void add(long unit, ByteBuffer from, int offset) throws VmckptException {
        data.put(count * unitSize, from, offset, unitSize);
        units[count++] = unit;
        if (count == units.length) {
            flush();
        }
    }

    /** Appends what is collected. */
    void flush() throws VmckptException {
        writer.append(units, count, data);
        count = 0;
    }
}
