package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** Writes one segment, from any number of threads; each compresses what it appends itself. */
@SuppressWarnings("DoNotCallSuggester")
public final class SegmentWriter implements AutoCloseable {
    /**
     * Stores units. Those that are all zeros are only noted. Each unit at most once per segment.
     *
     * @param units unit numbers, in any order; only the first {@code count} count
     * @param data {@code count * unitSize} bytes from its position on; position is left as it is; a
     *     direct buffer saves a copy
     */
    public void append(long[] units, int count, ByteBuffer data) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** Notes that units are zero, for example a hole of the memory file. */
    public void appendZeros(long firstUnit, long count) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** Bytes written to the file so far. */
    public long storedBytes() {
        throw new UnsupportedOperationException();
    }

    /** Makes the segment durable and gives it its name; no append may be under way. */
    public SegmentName finish() throws VmckptException {
        throw new UnsupportedOperationException();
    }

    /** Without {@link #finish}, deletes what was written. */
    @Override
    public void close() {}
}
