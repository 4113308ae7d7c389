package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.SegmentName;

/**
 * The last 64 bytes of a segment.
 *
 * @param hexDigest SHA-256 of header and index, in hexadecimal
 */
record SegmentFooter(long indexOffset, long indexBytes, String hexDigest) {

    long fileBytes() {
        return indexOffset + indexBytes + SegmentFormat.FOOTER_BYTES;
    }

    SegmentName name(SegmentKind kind) {
        return new SegmentName(kind.prefix() + "-" + hexDigest);
    }

    byte[] encode() {
        return ByteBuffer.allocate(SegmentFormat.FOOTER_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(indexOffset)
                .putLong(indexBytes)
                .put(HexFormat.of().parseHex(hexDigest))
                .putLong(fileBytes())
                .put(SegmentFormat.footerMagic())
                .array();
    }

    /** Decodes untrusted bytes; what it returns fits a file of {@code fileBytes}. */
    static SegmentFooter decode(byte[] bytes, long fileBytes, String segment)
            throws CorruptException {
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        long indexOffset = in.getLong();
        long indexBytes = in.getLong();
        byte[] digest = new byte[SegmentFormat.DIGEST_BYTES];
        in.get(digest);
        long statedBytes = in.getLong();
        byte[] magic = new byte[SegmentFormat.MAGIC_BYTES];
        in.get(magic);
        if (!Arrays.equals(magic, SegmentFormat.footerMagic()) || statedBytes != fileBytes) {
            throw new CorruptException(
                    SegmentDamage.message(
                            segment,
                            "footer",
                            "the file of " + fileBytes + " bytes does not end as a segment"));
        }
        boolean fits =
                indexOffset >= SegmentFormat.HEADER_BYTES
                        && indexOffset <= fileBytes
                        && indexBytes >= 0
                        && indexBytes <= SegmentFormat.MAX_INDEX_BYTES
                        && indexOffset + indexBytes + SegmentFormat.FOOTER_BYTES == fileBytes;
        if (!fits) {
            throw new CorruptException(
                    SegmentDamage.message(
                            segment,
                            "footer",
                            "index of "
                                    + indexBytes
                                    + " bytes at "
                                    + indexOffset
                                    + " does not fit a file of "
                                    + fileBytes
                                    + " bytes"));
        }
        return new SegmentFooter(indexOffset, indexBytes, HexFormat.of().formatHex(digest));
    }
}
