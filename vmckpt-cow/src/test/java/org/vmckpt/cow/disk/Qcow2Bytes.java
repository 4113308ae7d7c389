package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A qcow2 file of 4 KiB clusters made by hand: 8 MiB, of which the clusters 0, 1 and 2 are data,
 * zero and absent. Setters break it.
 */
final class Qcow2Bytes {
    static final int CLUSTER_BYTES = 4096;
    static final int DISK_BYTES = 8 << 20;
    static final int L1_AT = CLUSTER_BYTES;
    static final int L2_AT = 2 * CLUSTER_BYTES;
    static final int DATA_AT = 3 * CLUSTER_BYTES;
    static final byte FILL = 0x5a;

    private final ByteBuffer bytes = ByteBuffer.allocate(4 * CLUSTER_BYTES);

    Qcow2Bytes() {
        bytes.putInt(0, 0x514649fb).putInt(4, 3).putInt(20, 12).putLong(24, DISK_BYTES);
        bytes.putInt(36, 4).putLong(40, L1_AT).putInt(96, 4).putInt(100, 104);
        bytes.putLong(L1_AT, L2_AT | 1L << 63);
        bytes.putLong(L2_AT, DATA_AT | 1L << 63).putLong(L2_AT + 8, 1);
        for (int i = DATA_AT; i < bytes.capacity(); i++) {
            bytes.put(i, FILL);
        }
    }

    Qcow2Bytes putInt(int at, int value) {
        bytes.putInt(at, value);
        return this;
    }

    Qcow2Bytes putLong(int at, long value) {
        bytes.putLong(at, value);
        return this;
    }

    Path write(Path file) throws IOException {
        return Files.write(file, bytes.array());
    }
}
