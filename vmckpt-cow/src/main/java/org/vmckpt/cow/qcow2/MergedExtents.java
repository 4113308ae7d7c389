package org.vmckpt.cow.qcow2;

import java.io.IOException;
import org.vmckpt.cow.block.BlockStatus;
import org.vmckpt.cow.block.ExtentVisitor;

/** Passes neighbours of one status on as one extent. */
final class MergedExtents implements ExtentVisitor {
    private final ExtentVisitor target;
    private long start;
    private long end;
    private BlockStatus last = BlockStatus.HOLE;

    MergedExtents(ExtentVisitor target) {
        this.target = target;
    }

    @Override
    public void extent(long offset, long length, BlockStatus status) throws IOException {
        if (status != last || offset != end) {
            finish();
            start = offset;
            last = status;
        }
        end = offset + length;
    }

    void finish() throws IOException {
        if (end > start) {
            target.extent(start, end - start, last);
        }
        start = end;
    }
}
