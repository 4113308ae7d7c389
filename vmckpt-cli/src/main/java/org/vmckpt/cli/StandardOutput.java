package org.vmckpt.cli;

import java.io.BufferedOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/** Standard output as a target: says so when its reader goes away. */
final class StandardOutput implements ExportTarget {
    private final OutputStream out;

    StandardOutput(OutputStream out) {
        this.out = out;
    }

    @Override
    public long write(Content content) throws VmckptException {
        Watched watched = new Watched(out);
        BufferedOutputStream buffered = new BufferedOutputStream(watched, BUFFER_BYTES);
        try {
            long bytes = content.writeTo(buffered);
            buffered.flush();
            return bytes;
        } catch (IOException e) {
            throw broken(e);
        } catch (VmckptException e) {
            // The store reports a failed write as its own; the cause here is the reader.
            throw watched.failure == null ? e : broken(watched.failure);
        }
    }

    private static TransportException broken(IOException cause) {
        return new TransportException(
                "export to standard output: cannot write: "
                        + cause.getMessage()
                        + "; the program that reads it has ended early, see its own message",
                cause);
    }

    /** Remembers that writing failed. */
    private static final class Watched extends FilterOutputStream {
        private @Nullable IOException failure;

        Watched(OutputStream out) {
            super(out);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            try {
                out.write(bytes, offset, length);
            } catch (IOException e) {
                failure = e;
                throw e;
            }
        }
    }
}
