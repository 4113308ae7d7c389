package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/** A segment whose whole content is in memory, for example a device stream. */
final class SegmentBytes {
    static final int UNIT_SIZE_BYTES = 65536;

    /** Device streams are read whole; nothing larger is the device state of a guest. */
    private static final int MAX_BYTES = 1 << 30;

    private SegmentBytes() {}

    /**
     * Writes the content and finishes the segment.
     *
     * @param writer of a segment with units of {@link #UNIT_SIZE_BYTES}
     */
    static SegmentName write(byte[] content, SegmentWriter writer) throws VmckptException {
        ByteBuffer unit = ByteBuffer.allocateDirect(UNIT_SIZE_BYTES);
        long[] number = new long[1];
        for (int offset = 0; offset < content.length; offset += UNIT_SIZE_BYTES) {
            int length = Math.min(UNIT_SIZE_BYTES, content.length - offset);
            unit.clear().put(content, offset, length);
            SegmentReader.putZeros(unit, unit.remaining());
            number[0] = offset / UNIT_SIZE_BYTES;
            writer.append(number, 1, unit.clear());
        }
        return writer.finish();
    }

    static byte[] read(SegmentName name, SegmentReader reader) throws VmckptException {
        if (reader.contentBytes() > MAX_BYTES) {
            throw new UnsupportedException(
                    "read segment "
                            + name
                            + " into memory: it has "
                            + reader.contentBytes()
                            + " bytes, at most "
                            + MAX_BYTES
                            + " are supported");
        }
        byte[] content = new byte[(int) reader.contentBytes()];
        int unitSize = reader.unitSizeBytes();
        reader.forEachBlock((units, count, data) -> {
            for (int i = 0; i < count; i++) {
                int at = (int) (units[i] * unitSize);
                int length = Math.min(unitSize, content.length - at);
                data.get(data.position() + i * unitSize, content, at, length);
            }
        });
        return content;
    }
}
