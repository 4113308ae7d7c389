package org.vmckpt.cow.qcow2;

import java.nio.ByteBuffer;

/** Zeros to copy from. */
final class Zeros {
    private static final byte[] BYTES = new byte[64 << 10];

    private Zeros() {}

    static void put(ByteBuffer into, int count) {
        for (int left = count; left > 0; ) {
            int part = Math.min(left, BYTES.length);
            into.put(BYTES, 0, part);
            left -= part;
        }
    }
}
