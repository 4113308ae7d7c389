package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.BlockStatus;
import org.vmckpt.cow.block.ExtentVisitor;

/** Copies extents from one disk to another, no faster than it may. */
final class PieceCopy implements ExtentVisitor {
    static final int PIECE_BYTES = 1 << 20;

    private final BlockDevice from;
    private final BlockDevice to;
    private final Throttle throttle;
    private final ByteBuffer piece = ByteBuffer.allocateDirect(PIECE_BYTES);
    private long copied;

    PieceCopy(BlockDevice from, BlockDevice to, Throttle throttle) {
        this.from = from;
        this.to = to;
        this.throttle = throttle;
    }

    @Override
    public void extent(long offset, long length, BlockStatus status) throws IOException {
        throttle.requireGoing();
        if (status != BlockStatus.DATA) {
            to.writeZeroes(offset, length, true);
            return;
        }
        piece.clear().limit((int) length);
        from.read(piece, offset);
        to.write(piece.flip(), offset);
        copied += length;
        throttle.passed(length);
    }

    long copiedBytes() {
        return copied;
    }
}
