package org.vmckpt.core.stream;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.VmckptException;

/** Reads big-endian values of a stream that comes from memory or, piece by piece, from QEMU. */
abstract sealed class StreamInput permits StreamCursor, ChannelInput {
    /**
     * The next bytes; valid until the next call. Fails when the stream has fewer.
     *
     * @param byteCount small: a page at most
     */
    abstract ByteBuffer take(int byteCount) throws VmckptException;

    /** The next byte, which the next call returns again. */
    abstract int peek() throws VmckptException;

    /** How far the stream was read, bytes. */
    abstract long position();

    /** What the stream is, for an error. */
    abstract String name();

    int readByte() throws VmckptException {
        return take(1).get() & 0xff;
    }

    int readShort() throws VmckptException {
        return take(Short.BYTES).getShort() & 0xffff;
    }

    int readInt() throws VmckptException {
        return take(Integer.BYTES).getInt();
    }

    long readLong() throws VmckptException {
        return take(Long.BYTES).getLong();
    }

    String readString(int byteCount) throws VmckptException {
        byte[] text = new byte[byteCount];
        take(byteCount).get(text);
        return new String(text, StandardCharsets.ISO_8859_1);
    }

    /** A string with its length in the byte before it. */
    String readShortString() throws VmckptException {
        return readString(readByte());
    }

    void expect(int wanted, String what) throws VmckptException {
        int found = readByte();
        if (found != wanted) {
            throw corrupt(
                    "expected %s (0x%02x), found 0x%02x".formatted(what, wanted, found),
                    position() - 1);
        }
    }

    CorruptException corrupt(String reason) {
        return corrupt(reason, position());
    }

    private CorruptException corrupt(String reason, long where) {
        return new CorruptException(
                name() + ", at byte " + where + ": " + reason + "; take the checkpoint again");
    }

    CorruptException cutShort(long expectedBytes, long leftBytes) {
        return corrupt(
                "it is cut short: "
                        + expectedBytes
                        + " more bytes expected, "
                        + leftBytes
                        + " left");
    }
}
