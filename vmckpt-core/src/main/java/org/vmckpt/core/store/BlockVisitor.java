package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import org.vmckpt.core.VmckptException;

/** Receives verified data, block after block. */
@FunctionalInterface
public interface BlockVisitor {
    /**
     * Takes one block, or the part of it that counts.
     *
     * @param units the unit numbers, in the order of the data; only the first {@code count} count
     * @param data {@code count} units, from its position to its limit; valid during the call only
     */
    void visit(long[] units, int count, ByteBuffer data) throws VmckptException;
}
