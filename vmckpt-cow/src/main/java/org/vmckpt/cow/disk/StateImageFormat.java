package org.vmckpt.cow.disk;

import java.nio.ByteBuffer;

/**
 * The qcow2 file into which QEMU saves devices, as it is before: an empty disk, and beyond its end,
 * where QEMU puts the state, clusters that are allocated already. {@code qemu-img create} makes
 * none of these, and QEMU would then allocate them one by one, and a new first-level table too,
 * while the guest stands still.
 *
 * <p>The format is QEMU's docs/interop/qcow2.txt; all numbers are big-endian.
 */
final class StateImageFormat {
    private static final int CLUSTER_BITS = 16;
    private static final int CLUSTER_BYTES = 1 << CLUSTER_BITS;

    // Devices of usual guests take 0.4 to 2 MB; QEMU allocates more when they take more.
    private static final int STATE_CLUSTERS = 64;
    private static final long DISK_BYTES = 1 << 20;

    private static final int REFCOUNT_TABLE = 1;
    private static final int REFCOUNT_BLOCK = 2;
    private static final int L1_TABLE = 3;
    private static final int L2_TABLE = 4;
    private static final int STATE = 5;
    private static final int CLUSTERS = STATE + STATE_CLUSTERS;

    private static final int MAGIC = 0x514649fb;
    private static final int VERSION = 3;
    private static final int HEADER_BYTES = 104;
    private static final int REFCOUNT_ORDER = 4;
    // The disk has one entry of the first-level table, the state the one after it.
    private static final int L1_ENTRIES = 2;
    // The cluster has one user, so it may be written in place.
    private static final long COPIED = 1L << 63;

    private StateImageFormat() {}

    static byte[] blank() {
        ByteBuffer image = ByteBuffer.allocate(CLUSTERS * CLUSTER_BYTES);
        putHeader(image);
        image.putLong((int) at(REFCOUNT_TABLE), at(REFCOUNT_BLOCK));
        for (int i = 0; i < CLUSTERS; i++) {
            image.putShort((int) at(REFCOUNT_BLOCK) + Short.BYTES * i, (short) 1);
        }
        image.putLong((int) at(L1_TABLE) + Long.BYTES, at(L2_TABLE) | COPIED);
        for (int i = 0; i < STATE_CLUSTERS; i++) {
            image.putLong((int) at(L2_TABLE) + Long.BYTES * i, at(STATE + i) | COPIED);
        }
        return image.array();
    }

    private static void putHeader(ByteBuffer image) {
        image.putInt(MAGIC).putInt(VERSION);
        image.putLong(0).putInt(0); // no parent
        image.putInt(CLUSTER_BITS).putLong(DISK_BYTES);
        image.putInt(0); // not encrypted
        image.putInt(L1_ENTRIES).putLong(at(L1_TABLE));
        image.putLong(at(REFCOUNT_TABLE)).putInt(1);
        image.putInt(0).putLong(0); // no snapshots
        image.putLong(0).putLong(0).putLong(0); // no features
        image.putInt(REFCOUNT_ORDER).putInt(HEADER_BYTES);
    }

    private static long at(int cluster) {
        return (long) cluster * CLUSTER_BYTES;
    }
}
