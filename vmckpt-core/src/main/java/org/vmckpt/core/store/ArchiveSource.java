package org.vmckpt.core.store;

import com.github.luben.zstd.ZstdInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/**
 * The tar entries of an untrusted export stream. Says apart a stream that breaks (transport), one
 * that is cut or damaged (corrupt), and one with entries that no export has (refused).
 */
final class ArchiveSource implements AutoCloseable {
    /** Headers of one entry, pax headers included; tar would read gigabytes of them to memory. */
    private static final int MAX_HEADER_BYTES = 1 << 20;

    /** What may follow the end of the archive: the padding of tar's last record. */
    private static final int MAX_PADDING_BYTES = 1 << 20;

    private static final String ADVICE =
            "; nothing was imported. Export the checkpoint again and send the whole stream";

    private final SourceInput source;
    private final BudgetInput decoded;
    private final TarArchiveInputStream tar;

    ArchiveSource(InputStream in) throws VmckptException {
        this.source = new SourceInput(in);
        try {
            this.decoded = new BudgetInput(new ZstdInputStream(source));
        } catch (IOException e) {
            throw failure(e);
        }
        this.tar = new TarArchiveInputStream(decoded, StandardCharsets.UTF_8.name());
    }

    /** A regular file of the archive. */
    record Entry(String name, long sizeBytes) {}

    /** The next entry, or null at the end of a complete archive. The last one was read whole. */
    @Nullable Entry next() throws VmckptException {
        TarArchiveEntry entry;
        try {
            decoded.limit(MAX_HEADER_BYTES);
            entry = tar.getNextEntry();
            decoded.limit(Long.MAX_VALUE);
            if (entry == null) {
                expectEnd();
                return null;
            }
        } catch (IOException | IllegalArgumentException e) {
            throw failure(e);
        }
        String name = entry.getName();
        byte type = entry.getLinkFlag();
        boolean regular =
                (type == TarArchiveEntry.LF_NORMAL || type == TarArchiveEntry.LF_OLDNORM)
                        && entry.isFile()
                        && !entry.isSparse();
        if (!regular || entry.getSize() < 0) {
            throw new RefusedException(
                    "import: entry '"
                            + name
                            + "' is not a regular file (type "
                            + type
                            + "); an export has no links, folders or devices. Nothing was"
                            + " imported");
        }
        return new Entry(name, entry.getSize());
    }

    int read(byte[] into) throws VmckptException {
        try {
            return tar.read(into, 0, into.length);
        } catch (IOException | IllegalArgumentException e) {
            throw failure(e);
        }
    }

    /** After the archive only zeros, and the end of the zstd stream with its checksum. */
    private void expectEnd() throws IOException {
        byte[] buffer = new byte[1 << 16];
        long seen = 0;
        int count;
        while ((count = decoded.read(buffer, 0, buffer.length)) >= 0) {
            seen += count;
            for (int i = 0; i < count; i++) {
                if (buffer[i] != 0 || seen > MAX_PADDING_BYTES) {
                    throw new IOException("data follows the end of the archive");
                }
            }
        }
    }

    VmckptException failure(Exception e) {
        if (source.failed) {
            return new TransportException(
                    "import: the stream broke after "
                            + source.count
                            + " bytes: "
                            + e.getMessage()
                            + ADVICE,
                    e);
        }
        return new CorruptException(
                "import: the stream is cut short or damaged after "
                        + source.count
                        + " bytes: "
                        + e.getMessage()
                        + ADVICE,
                e);
    }

    CorruptException cut(String what) {
        return new CorruptException(
                "import: the stream ends after " + source.count + " bytes, " + what + ADVICE);
    }

    @Override
    public void close() {
        try {
            tar.close();
        } catch (IOException e) {
            throw new IllegalStateException("closing keeps the source open, so cannot fail", e);
        }
    }

    /** Remembers whether the source itself failed; leaves it open. */
    private static final class SourceInput extends FilterInputStream {
        private boolean failed;
        private long count;

        SourceInput(InputStream in) {
            super(in);
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            boolean done = false;
            try {
                int read = in.read(bytes, offset, length);
                count += Math.max(0, read);
                done = true;
                return read;
            } finally {
                failed |= !done;
            }
        }

        @Override
        public void close() {}
    }

    /** Bounds what may be read until the limit is set anew. */
    private static final class BudgetInput extends FilterInputStream {
        private long left = Long.MAX_VALUE;

        BudgetInput(InputStream in) {
            super(in);
        }

        void limit(long bytes) {
            left = bytes;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            int read = in.read(bytes, offset, length);
            return spend(read);
        }

        @Override
        public long skip(long count) throws IOException {
            long skipped = in.skip(count);
            spend((int) Math.min(skipped, Integer.MAX_VALUE));
            return skipped;
        }

        private int spend(int count) throws IOException {
            left -= Math.max(0, count);
            if (left < 0) {
                throw new IOException("the header of an entry is larger than any export's");
            }
            return count;
        }
    }
}
