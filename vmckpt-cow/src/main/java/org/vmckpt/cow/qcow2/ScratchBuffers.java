package org.vmckpt.cow.qcow2;

import java.nio.ByteBuffer;
import java.util.concurrent.ArrayBlockingQueue;

/** Buffers of one cluster for copying on write; some are kept for the next. */
final class ScratchBuffers {
    private static final int KEPT_BYTES = 8 << 20;
    private static final int MOST_KEPT = 64;

    private final int clusterBytes;
    private final ArrayBlockingQueue<ByteBuffer> kept;

    ScratchBuffers(int clusterBytes) {
        this.clusterBytes = clusterBytes;
        this.kept = new ArrayBlockingQueue<>(Math.min(MOST_KEPT, KEPT_BYTES / clusterBytes));
    }

    ByteBuffer take() {
        ByteBuffer buffer = kept.poll();
        return buffer == null ? ByteBuffer.allocateDirect(clusterBytes) : buffer.clear();
    }

    void giveBack(ByteBuffer buffer) {
        // One too many is left to the collector.
        boolean unusedResult = kept.offer(buffer);
    }
}
