package org.vmckpt.core.qmp;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.ProtocolException;

/** Reads lines of bounded length: a peer that never ends a line cannot fill our memory. */
final class LineReader {
    private final InputStream in;
    private final int limitBytes;

    LineReader(InputStream in, int limitBytes) {
        this.in = in;
        this.limitBytes = limitBytes;
    }

    /** The next line without its end, or null at the end of the stream. */
    @Nullable String next() throws IOException, ProtocolException {
        ByteArrayOutputStream line = new ByteArrayOutputStream(256);
        for (int value = in.read(); value >= 0; value = in.read()) {
            if (value == '\n') {
                return line.toString(StandardCharsets.UTF_8);
            }
            if (line.size() == limitBytes) {
                throw new ProtocolException(
                        "QMP: a line is longer than " + limitBytes + " bytes; this is no QEMU");
            }
            line.write(value);
        }
        return null;
    }
}
