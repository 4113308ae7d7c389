package org.vmckpt.cow.serving;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;

/** Reads lines of bounded length. */
final class Lines {
    private Lines() {}

    /** The next line without its end; empty at the end of the stream. */
    static byte[] read(InputStream in, int limitBytes) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int value = in.read(); value >= 0 && value != '\n'; value = in.read()) {
            if (line.size() == limitBytes) {
                throw new IOException("a line is longer than " + limitBytes + " bytes");
            }
            line.write(value);
        }
        return line.toByteArray();
    }
}
