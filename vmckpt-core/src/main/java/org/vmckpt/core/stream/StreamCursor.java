package org.vmckpt.core.stream;

import java.nio.charset.StandardCharsets;
import org.vmckpt.core.CorruptException;

/** Reads big-endian values and never past the end. */
final class StreamCursor {
    private final byte[] stream;
    private final int end;
    private int position;

    StreamCursor(byte[] stream, int end) {
        this.stream = stream;
        this.end = end;
    }

    int position() {
        return position;
    }

    int peek() throws CorruptException {
        require(1);
        return stream[position] & 0xff;
    }

    int readByte() throws CorruptException {
        int value = peek();
        position++;
        return value;
    }

    int readInt() throws CorruptException {
        return (int) readBigEndian(Integer.BYTES);
    }

    long readLong() throws CorruptException {
        return readBigEndian(Long.BYTES);
    }

    private long readBigEndian(int byteCount) throws CorruptException {
        require(byteCount);
        long value = 0;
        for (int i = 0; i < byteCount; i++) {
            value = value << 8 | (stream[position++] & 0xff);
        }
        return value;
    }

    String readString(int byteCount) throws CorruptException {
        require(byteCount);
        String value = new String(stream, position, byteCount, StandardCharsets.ISO_8859_1);
        position += byteCount;
        return value;
    }

    /** A string with its length in the byte before it. */
    String readShortString() throws CorruptException {
        return readString(readByte());
    }

    void skip(long byteCount) throws CorruptException {
        require(byteCount);
        position += (int) byteCount;
    }

    void expect(int wanted, String what) throws CorruptException {
        int found = readByte();
        if (found != wanted) {
            throw corrupt(
                    "expected %s (0x%02x), found 0x%02x".formatted(what, wanted, found),
                    position - 1);
        }
    }

    CorruptException corrupt(String reason) {
        return corrupt(reason, position);
    }

    private CorruptException corrupt(String reason, int where) {
        return new CorruptException(
                "device stream of "
                        + stream.length
                        + " bytes, at byte "
                        + where
                        + ": "
                        + reason
                        + "; take the checkpoint again");
    }

    private void require(long byteCount) throws CorruptException {
        if (byteCount < 0 || byteCount > end - position) {
            throw corrupt(
                    "it is cut short: "
                            + byteCount
                            + " more bytes expected, "
                            + (end - position)
                            + " left");
        }
    }
}
