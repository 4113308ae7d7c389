package org.vmckpt.cow.qcow2;

import java.util.BitSet;

/**
 * Which free host clusters are known to read as zeros: those behind all that were ever used, and
 * those whose room was given back. {@link HostClusters} guards it.
 */
final class EmptyClusters {
    private final BitSet emptied = new BitSet();
    private long freshFrom;

    EmptyClusters(long freshFrom) {
        this.freshFrom = freshFrom;
    }

    boolean isEmpty(long cluster) {
        return cluster >= freshFrom || (cluster <= Integer.MAX_VALUE && emptied.get((int) cluster));
    }

    void free(long cluster, boolean zeros) {
        // Where a bit set does not reach nothing is known.
        if (cluster <= Integer.MAX_VALUE) {
            emptied.set((int) cluster, zeros);
        }
    }

    void use(long first, int count) {
        for (; freshFrom < first; freshFrom++) {
            free(freshFrom, true);
        }
        for (long cluster = first; cluster < first + count; cluster++) {
            free(cluster, false);
        }
        freshFrom = Math.max(freshFrom, first + count);
    }
}
