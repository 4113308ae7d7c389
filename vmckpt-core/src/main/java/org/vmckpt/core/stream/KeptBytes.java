package org.vmckpt.core.stream;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import org.vmckpt.core.UnsupportedException;

/** What of a stream is kept in memory, up to a limit. */
final class KeptBytes {
    /** Devices of real guests take 0.4 to 20 MB, video memory included. */
    static final int LIMIT_BYTES = 64 << 20;

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(1 << 20);
    private byte[] scratch = new byte[StreamFormat.PAGE_BYTES];

    void write(ByteBuffer content) throws UnsupportedException {
        int count = content.remaining();
        if (bytes.size() + count > LIMIT_BYTES) {
            throw new UnsupportedException(
                    "the guest's device state is larger than "
                            + LIMIT_BYTES
                            + " bytes: it has more RAM outside its memory backends than fits");
        }
        if (scratch.length < count) {
            scratch = new byte[count];
        }
        content.get(scratch, 0, count);
        bytes.write(scratch, 0, count);
    }

    byte[] toByteArray() {
        return bytes.toByteArray();
    }
}
