package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import org.vmckpt.core.VmckptException;

/** Reads a stack of segments: of each unit, the topmost layer that is not absent wins. */
@SuppressWarnings("DoNotCallSuggester")
public final class LayeredReader implements UnitReader {
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
