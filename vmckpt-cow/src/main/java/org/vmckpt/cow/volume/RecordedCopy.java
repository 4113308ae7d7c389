package org.vmckpt.cow.volume;

import java.io.IOException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.BlockStatus;
import org.vmckpt.cow.block.ExtentVisitor;
import org.vmckpt.cow.qcow2.Qcow2Image;

/**
 * Copies what a layer says into its parent, and records from time to time how far it has come, so
 * that whoever continues it after a crash does not begin again.
 */
final class RecordedCopy implements ExtentVisitor {
    private static final long RECORD_BYTES = 32 << 20;
    private static final long RECORD_NANOS = 1_000_000_000;

    private final VolumeFolder folder;
    private final Qcow2Image layer;
    private final BlockDevice parent;
    private final PieceCopy copy;

    private CommitProgress recorded;
    private long recordedNanos = System.nanoTime();
    private long recordedCopied;
    private long reached;

    RecordedCopy(
            VolumeFolder folder,
            CommitProgress start,
            Qcow2Image layer,
            BlockDevice parent,
            Throttle throttle) {
        this.folder = folder;
        this.layer = layer;
        this.parent = parent;
        this.copy = new PieceCopy(layer, parent, throttle);
        this.recorded = start;
        this.reached = start.bytes();
    }

    /** Copies all that is not recorded yet; what is done is recorded also if it fails. */
    void run() throws IOException {
        try {
            LayerExtents.visit(layer, recorded.bytes(), PieceCopy.PIECE_BYTES, this);
            reached = layer.size();
        } finally {
            record();
        }
    }

    @Override
    public void extent(long offset, long length, BlockStatus status) throws IOException {
        copy.extent(offset, length, status);
        reached = offset + length;
        boolean much = copy.copiedBytes() - recordedCopied >= RECORD_BYTES;
        if (much || System.nanoTime() - recordedNanos >= RECORD_NANOS) {
            record();
        }
    }

    /** First durable, then recorded. */
    private void record() throws IOException {
        parent.flush();
        if (reached > recorded.bytes()) {
            recorded = recorded.at(reached);
            recorded.write(folder);
        }
        recordedCopied = copy.copiedBytes();
        recordedNanos = System.nanoTime();
    }
}
