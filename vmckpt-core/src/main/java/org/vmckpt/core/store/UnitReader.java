package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import org.vmckpt.core.VmckptException;

/**
 * Random and streaming access to units. Every block is verified before a byte of it is handed out;
 * a damaged one gives a CorruptException that names segment and block. Safe for several threads.
 */
public sealed interface UnitReader extends AutoCloseable permits SegmentReader, LayeredReader {
    int unitSizeBytes();

    /** Size of the address space; the last unit may stretch beyond it, filled with zeros. */
    long contentBytes();

    /** Number of units in {@link #contentBytes}, the last one possibly partial. */
    long unitCount();

    UnitState state(long unit);

    /** Puts one whole unit at {@code dst}'s position; zeros when the unit is ZERO or ABSENT. */
    void read(long unit, ByteBuffer dst) throws VmckptException;

    /** Number of blocks, for {@link #visitBlocks}. */
    int blockCount();

    /** Visits blocks {@code first} to {@code end - 1}; ranges may be visited in parallel. */
    void visitBlocks(int first, int end, BlockVisitor visitor) throws VmckptException;

    /** Visits every data unit once, in the order in which they are stored. */
    default void forEachBlock(BlockVisitor visitor) throws VmckptException {
        visitBlocks(0, blockCount(), visitor);
    }

    /** Visits every zero unit once, in ascending runs per layer. */
    void forEachZeroRun(ZeroRunVisitor visitor) throws VmckptException;

    @Override
    void close();
}
