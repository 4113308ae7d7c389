package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/** The first 32 bytes of a segment. */
record SegmentHeader(SegmentKind kind, int unitSizeBytes, int unitsPerBlock, long contentBytes) {

    /** A header for a new segment; wrong arguments are a bug of the caller. */
    static SegmentHeader create(SegmentKind kind, int unitSizeBytes, long contentBytes) {
        SegmentHeader header =
                new SegmentHeader(
                        kind,
                        unitSizeBytes,
                        SegmentFormat.unitsPerBlock(Math.max(1, unitSizeBytes)),
                        contentBytes);
        if (!header.isWithinLimits()) {
            throw new IllegalArgumentException("segment outside of the format's limits: " + header);
        }
        return header;
    }

    long unitCount() {
        return Math.ceilDiv(contentBytes, unitSizeBytes);
    }

    /** The largest file that a segment with this header can be. */
    long maxFileBytes() {
        return SegmentFormat.HEADER_BYTES
                + unitCount() * unitSizeBytes
                + SegmentFormat.MAX_INDEX_BYTES
                + SegmentFormat.FOOTER_BYTES;
    }

    private boolean isWithinLimits() {
        return unitSizeBytes >= SegmentFormat.MIN_UNIT_BYTES
                && unitSizeBytes <= SegmentFormat.MAX_UNIT_BYTES
                && Integer.bitCount(unitSizeBytes) == 1
                && unitsPerBlock >= 1
                && unitsPerBlock <= SegmentFormat.MAX_UNITS_PER_BLOCK
                && (long) unitsPerBlock * unitSizeBytes <= SegmentFormat.MAX_BLOCK_BYTES
                && contentBytes >= 0
                && unitCount() <= SegmentFormat.MAX_UNITS;
    }

    byte[] encode() {
        return ByteBuffer.allocate(SegmentFormat.HEADER_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(SegmentFormat.headerMagic())
                .putInt(SegmentFormat.VERSION)
                .putInt(kind.code())
                .putInt(unitSizeBytes)
                .putInt(unitsPerBlock)
                .putLong(contentBytes)
                .array();
    }

    /** Decodes untrusted bytes; {@code segment} is for messages. */
    static SegmentHeader decode(byte[] bytes, String segment) throws VmckptException {
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        byte[] magic = new byte[SegmentFormat.MAGIC_BYTES];
        in.get(magic);
        if (!Arrays.equals(magic, SegmentFormat.headerMagic())) {
            throw new CorruptException(
                    SegmentDamage.message(segment, "header", "it does not start as a segment"));
        }
        int version = in.getInt();
        if (version != SegmentFormat.VERSION) {
            throw new UnsupportedException(
                    "read "
                            + segment
                            + ": its format version is "
                            + Integer.toUnsignedString(version)
                            + ", this vmckpt reads version "
                            + SegmentFormat.VERSION
                            + "; use a newer vmckpt");
        }
        int code = in.getInt();
        SegmentKind kind =
                SegmentKind.ofCode(code)
                        .orElseThrow(() ->
                                new CorruptException(
                                        SegmentDamage.message(
                                                segment, "header", "unknown kind " + code)));
        SegmentHeader header = new SegmentHeader(kind, in.getInt(), in.getInt(), in.getLong());
        if (!header.isWithinLimits()) {
            throw new CorruptException(
                    SegmentDamage.message(segment, "header", "sizes out of range: " + header));
        }
        return header;
    }
}
