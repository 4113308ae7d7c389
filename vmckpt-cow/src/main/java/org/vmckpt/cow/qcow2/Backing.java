package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Optional;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.BlockStatus;
import org.vmckpt.cow.block.ExtentVisitor;

/** The disk below an image, which may be shorter or not there: then there are zeros. */
final class Backing {
    private volatile Optional<BlockDevice> device;

    Backing(Optional<BlockDevice> device) {
        this.device = device;
    }

    Optional<BlockDevice> device() {
        return device;
    }

    /** Another disk with the same content, as far as the image does not say itself. */
    void replace(Optional<BlockDevice> other) {
        device = other;
    }

    /** The next {@code count} bytes of the buffer. */
    void read(ByteBuffer into, long offset, int count) throws IOException {
        BlockDevice below = device.orElse(null);
        long size = below == null ? 0 : below.size();
        int there = (int) Math.max(0, Math.min(count, size - offset));
        if (below != null && there > 0) {
            int limit = into.limit();
            below.read(into.limit(into.position() + there), offset);
            into.limit(limit);
        }
        Zeros.put(into, count - there);
    }

    /** Whether the range is known to be zeros without reading it. */
    boolean isZero(long offset, long length) throws IOException {
        BlockDevice below = device.orElse(null);
        long size = below == null ? 0 : below.size();
        if (below == null || offset >= size) {
            return true;
        }
        boolean[] data = new boolean[1];
        below.blockStatus(
                offset,
                Math.min(length, size - offset),
                (at, count, status) -> data[0] |= status == BlockStatus.DATA);
        return !data[0];
    }

    void blockStatus(long offset, long length, ExtentVisitor visitor) throws IOException {
        BlockDevice below = device.orElse(null);
        long size = below == null ? 0 : below.size();
        long there = Math.max(0, Math.min(length, size - offset));
        if (below != null && there > 0) {
            below.blockStatus(offset, there, visitor);
        }
        if (there < length) {
            visitor.extent(offset + there, length - there, BlockStatus.HOLE);
        }
    }
}
