package org.vmckpt.cow.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.BlockStatus;
import org.vmckpt.cow.block.ExtentVisitor;

/** Writes the extents of base:allocation as the protocol wants them: lengths and flags. */
final class StatusExtents implements ExtentVisitor {
    private static final int EXTENT_BYTES = 8;

    /** A device is asked about this much at a time, so that a full buffer ends the walk soon. */
    private static final long STEP_BYTES = 256L << 20;

    private final ByteBuffer into;
    private final boolean one;
    private int lastFlags = -1;
    private boolean full;

    private StatusExtents(ByteBuffer into, boolean one) {
        this.into = into;
        this.one = one;
    }

    /** As many extents as there is room for; at least one, and only one if that is wanted. */
    static void write(BlockDevice device, long offset, long length, boolean one, ByteBuffer into)
            throws IOException {
        StatusExtents extents = new StatusExtents(into, one);
        long end = offset + length;
        for (long at = offset; at < end && !extents.full; at += STEP_BYTES) {
            device.blockStatus(at, Math.min(STEP_BYTES, end - at), extents);
        }
    }

    @Override
    public void extent(long offset, long length, BlockStatus status) {
        int flags =
                switch (status) {
                    case DATA -> 0;
                    case ZERO -> Protocol.STATE_ZERO;
                    case HOLE -> Protocol.STATE_HOLE | Protocol.STATE_ZERO;
                };
        if (full) {
            return;
        }
        if (flags == lastFlags) {
            int lengthAt = into.position() - EXTENT_BYTES;
            // Both are below 4 GiB, for the request is.
            into.putInt(lengthAt, into.getInt(lengthAt) + (int) length);
        } else if (into.remaining() < EXTENT_BYTES || (one && lastFlags >= 0)) {
            full = true;
        } else {
            into.putInt((int) length).putInt(flags);
            lastFlags = flags;
        }
    }
}
