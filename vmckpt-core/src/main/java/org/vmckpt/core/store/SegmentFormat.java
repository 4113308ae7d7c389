package org.vmckpt.core.store;

import java.nio.charset.StandardCharsets;

/** Numbers of the segment format, version 1; {@code docs/format.md} is the reference. */
final class SegmentFormat {
    static final int VERSION = 1;
    static final int HEADER_BYTES = 32;
    static final int FOOTER_BYTES = 64;
    static final int DIGEST_BYTES = 32;

    static final int ENCODING_RAW = 0;
    static final int ENCODING_ZSTD = 1;

    static final int MIN_UNIT_BYTES = 512;
    static final int MAX_UNIT_BYTES = 1 << 20;
    static final int MAX_UNITS_PER_BLOCK = 4096;
    static final int MAX_BLOCK_BYTES = 4 << 20;
    static final long MAX_UNITS = 1L << 32;
    static final long MAX_INDEX_BYTES = 512L << 20;

    /** What our writer makes: small enough that reading one page decodes little. */
    static final int WRITTEN_BLOCK_BYTES = 256 << 10;

    private static final byte[] HEADER_MAGIC = "VMCKSEG\n".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] FOOTER_MAGIC = "VMCKEND\n".getBytes(StandardCharsets.US_ASCII);

    static final int MAGIC_BYTES = 8;

    private SegmentFormat() {}

    static byte[] headerMagic() {
        return HEADER_MAGIC.clone();
    }

    static byte[] footerMagic() {
        return FOOTER_MAGIC.clone();
    }

    static int unitsPerBlock(int unitSizeBytes) {
        return Math.max(1, WRITTEN_BLOCK_BYTES / unitSizeBytes);
    }
}
