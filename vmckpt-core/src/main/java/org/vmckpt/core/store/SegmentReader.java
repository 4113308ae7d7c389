package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** Reads one segment. */
@SuppressWarnings("DoNotCallSuggester")
public final class SegmentReader implements UnitReader {
    public SegmentName name() {
        throw new UnsupportedOperationException();
    }

    public SegmentKind kind() {
        throw new UnsupportedOperationException();
    }

    public long storedBytes() {
        throw new UnsupportedOperationException();
    }

    @Override
    public int unitSizeBytes() {
        throw new UnsupportedOperationException();
    }

    @Override
    public long contentBytes() {
        throw new UnsupportedOperationException();
    }

    @Override
    public long unitCount() {
        throw new UnsupportedOperationException();
    }

    @Override
    public UnitState state(long unit) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void read(long unit, ByteBuffer dst) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    @Override
    public int blockCount() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void visitBlocks(int first, int end, BlockVisitor visitor) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    @Override
    public void forEachZeroRun(ZeroRunVisitor visitor) throws VmckptException {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
}
