package org.vmckpt.cow.disk;

/**
 * A run of bytes of a disk about which one file says the same.
 *
 * @param offsetBytes where it starts on the disk
 * @param lengthBytes at least 1
 */
record Extent(Kind kind, long offsetBytes, long lengthBytes) {

    enum Kind {
        /** The file does not say: ask its parent; without a parent it is zeros. */
        ABSENT,
        /** Zeros, whatever the parent says. */
        ZERO,
        /** Bytes that are in the file. */
        DATA
    }

    Extent {
        if (offsetBytes < 0 || lengthBytes < 1) {
            throw new IllegalArgumentException("extent at " + offsetBytes + "+" + lengthBytes);
        }
    }

    long endBytes() {
        return offsetBytes + lengthBytes;
    }

    /** This extent without what lies at or after {@code limitBytes}. */
    Extent cutAt(long limitBytes) {
        return limitBytes < endBytes()
                ? new Extent(kind, offsetBytes, limitBytes - offsetBytes)
                : this;
    }
}
