package org.vmckpt.core.store;

import com.github.luben.zstd.ZstdOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/** Writes a checkpoint as one stream, verifying every byte before it is sent. */
final class Exporter {
    /** Segments are compressed already: spend no time on them again. */
    private static final int ZSTD_LEVEL = -5;

    private static final int FILE_MODE = 0100600;

    private final StoreDirectory directory;
    private final Manifest manifest;
    private final byte[] manifestBytes;
    private final long totalBytes;
    private final ProgressListener progress;
    private long doneBytes;

    Exporter(
            StoreDirectory directory,
            Manifest manifest,
            byte[] manifestBytes,
            long totalBytes,
            ProgressListener progress) {
        this.directory = directory;
        this.manifest = manifest;
        this.manifestBytes = manifestBytes;
        this.totalBytes = totalBytes;
        this.progress = progress;
    }

    /** Returns the number of bytes written to {@code out}, which stays open. */
    long writeTo(OutputStream out) throws VmckptException {
        CountingOutput counted = new CountingOutput(out);
        try (ZstdOutputStream zstd = new ZstdOutputStream(counted)) {
            zstd.setLevel(ZSTD_LEVEL).setChecksum(true);
            try (TarArchiveOutputStream tar =
                    new TarArchiveOutputStream(zstd, StandardCharsets.UTF_8.name())) {
                tar.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_POSIX);
                tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
                putSmall(tar, ExportFormat.MARKER, ExportFormat.marker());
                putSmall(
                        tar,
                        ExportFormat.CHECKPOINTS + manifest.id() + StoreDirectory.MANIFEST_SUFFIX,
                        manifestBytes);
                for (SegmentName name : manifest.segments()) {
                    putSegment(tar, name);
                }
                tar.finish();
            }
        } catch (IOException e) {
            throw new TransportException(
                    "export checkpoint "
                            + manifest.id()
                            + ": writing the stream failed after "
                            + counted.count
                            + " bytes: "
                            + e.getMessage()
                            + "; what was written is incomplete, export it again",
                    e);
        }
        return counted.count;
    }

    private static void putSmall(TarArchiveOutputStream tar, String name, byte[] content)
            throws IOException {
        startEntry(tar, name, content.length);
        tar.write(content);
        tar.closeArchiveEntry();
    }

    private void putSegment(TarArchiveOutputStream tar, SegmentName name)
            throws IOException, VmckptException {
        WritableByteChannel sink = Channels.newChannel(tar);
        try (SegmentReader reader = SegmentReader.open(directory.segment(name), name)) {
            startEntry(
                    tar,
                    ExportFormat.SEGMENTS + name + StoreDirectory.SEGMENT_SUFFIX,
                    reader.storedBytes());
            reader.forEachPiece(piece -> send(piece, sink));
        }
        tar.closeArchiveEntry();
    }

    private void send(ByteBuffer piece, WritableByteChannel sink) throws IOException {
        int length = piece.remaining();
        while (piece.hasRemaining()) {
            sink.write(piece);
        }
        doneBytes += length;
        progress.update("export", doneBytes, totalBytes, "bytes");
    }

    private static void startEntry(TarArchiveOutputStream tar, String name, long size)
            throws IOException {
        TarArchiveEntry entry = new TarArchiveEntry(name);
        entry.setSize(size);
        entry.setMode(FILE_MODE);
        entry.setIds(0, 0);
        entry.setModTime(0L);
        tar.putArchiveEntry(entry);
    }

    /** Counts, and leaves the stream below open. */
    private static final class CountingOutput extends FilterOutputStream {
        private long count;

        CountingOutput(OutputStream out) {
            super(out);
        }

        @Override
        public void write(int value) throws IOException {
            out.write(value);
            count++;
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            out.write(bytes, offset, length);
            count += length;
        }

        @Override
        public void close() throws IOException {
            flush();
        }
    }
}
