package org.vmckpt.cow.volume;

import java.io.IOException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.BlockStatus;
import org.vmckpt.cow.block.ExtentVisitor;
import org.vmckpt.cow.qcow2.Qcow2Image;

/** What one layer alone says, taken over into another disk. */
final class LayerExtents {
    private LayerExtents() {}

    /**
     * Visits what the file itself says from an offset on, in ascending order: data in pieces of a
     * bounded length, and zeros.
     */
    static void visit(Qcow2Image image, long from, int pieceBytes, ExtentVisitor visitor)
            throws IOException {
        long size = image.size();
        for (long at = from; at < size; ) {
            BlockStatus status = image.layerStatus(at);
            long end = image.layerExtentEnd(at, size);
            long step = status == BlockStatus.DATA ? pieceBytes : end - at;
            for (long start = at; start < end && status != BlockStatus.HOLE; start += step) {
                visitor.extent(start, Math.min(step, end - start), status);
            }
            at = end;
        }
    }

    /** Has a disk say the same as the image where that says something. */
    static long copy(Qcow2Image from, BlockDevice to, Throttle throttle) throws IOException {
        PieceCopy copy = new PieceCopy(from, to, throttle);
        visit(from, 0, PieceCopy.PIECE_BYTES, copy);
        return copy.copiedBytes();
    }
}
