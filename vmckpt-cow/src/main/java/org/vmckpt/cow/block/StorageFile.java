package org.vmckpt.cow.block;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * A file as an image format sees it. Thread-safe; every call says where, there is no position.
 * Layers may lie between a format and the host's file: slow ones, full ones, crashing ones.
 */
public interface StorageFile extends AutoCloseable {

    /**
     * Fills the buffer, unless the end of the file is met.
     *
     * @return bytes read
     */
    int read(ByteBuffer into, long offset) throws IOException;

    /** Writes all that remains in the buffer; the file grows where needed. */
    void write(ByteBuffer from, long offset) throws IOException;

    /** The range reads as zeros afterwards, and takes no room where that can be. Never grows. */
    void zero(long offset, long length) throws IOException;

    /** What was written before survives a crash of the host. */
    void sync() throws IOException;

    long size() throws IOException;

    /** Cuts the file, or lets it end in zeros. */
    void resize(long bytes) throws IOException;

    /**
     * The first byte at or after {@code offset} that may be something else than zero; the file's
     * size when only zeros follow. A file that does not know says {@code offset}.
     */
    default long nextData(long offset) throws IOException {
        return Math.min(offset, size());
    }

    /** The first byte at or after {@code offset} known to be zero; else the file's size. */
    default long nextHole(long offset) throws IOException {
        return size();
    }

    @Override
    void close() throws IOException;
}
