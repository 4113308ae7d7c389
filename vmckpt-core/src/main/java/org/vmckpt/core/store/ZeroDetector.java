package org.vmckpt.core.store;

import java.nio.ByteBuffer;

/** Finds units that are all zeros, with the JDK's vectorised comparison. Safe for all threads. */
final class ZeroDetector {
    private final ByteBuffer zeros;

    ZeroDetector(int unitSizeBytes) {
        this.zeros = ByteBuffer.allocateDirect(unitSizeBytes).asReadOnlyBuffer();
    }

    /** Changes position and limit of {@code data}. */
    boolean isZero(ByteBuffer data, int offset) {
        data.clear();
        // Most units that hold data show it at once.
        if (data.get(offset) != 0) {
            return false;
        }
        data.limit(offset + zeros.capacity()).position(offset);
        boolean zero = data.mismatch(zeros) < 0;
        data.clear();
        return zero;
    }
}
