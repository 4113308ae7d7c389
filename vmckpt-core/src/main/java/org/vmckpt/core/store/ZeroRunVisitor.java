package org.vmckpt.core.store;

import org.vmckpt.core.VmckptException;

/** Receives runs of units that are known to be zero. */
@FunctionalInterface
public interface ZeroRunVisitor {
    void visit(long firstUnit, long count) throws VmckptException;
}
