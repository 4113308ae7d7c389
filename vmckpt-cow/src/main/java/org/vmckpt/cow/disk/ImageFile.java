package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/** An open image file of a fixed size. */
final class ImageFile implements AutoCloseable {
    private final Path path;
    private final FileChannel channel;
    private final long sizeBytes;

    private ImageFile(Path path, FileChannel channel, long sizeBytes) {
        this.path = path;
        this.channel = channel;
        this.sizeBytes = sizeBytes;
    }

    static ImageFile open(Path path) throws VmckptException {
        try {
            FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
            return new ImageFile(path, channel, channel.size());
        } catch (NoSuchFileException e) {
            throw new NotFoundException("opening disk file " + path + ": it does not exist", e);
        } catch (IOException e) {
            throw new StorageException("opening disk file " + path + ": " + e, e);
        }
    }

    Path path() {
        return path;
    }

    long sizeBytes() {
        return sizeBytes;
    }

    /** Fills {@code target}; what lies past the end of the file is zeros, as it is for QEMU. */
    void read(long offset, ByteBuffer target) throws StorageException {
        long position = offset;
        try {
            while (target.hasRemaining()) {
                int count = channel.read(target, position);
                if (count < 0) {
                    putZeros(target, target.remaining());
                } else {
                    position += count;
                }
            }
        } catch (IOException e) {
            throw new StorageException(
                    "reading disk file " + path + " at offset " + position + ": " + e, e);
        }
    }

    /** Where data starts at or after {@code offset}; the file's size if nothing but a hole is. */
    long nextData(long offset) throws StorageException {
        return Math.min(offset, sizeBytes);
    }

    /** Where a hole starts at or after {@code offset}; the file's end counts as one. */
    long nextHole(long offset) throws StorageException {
        return sizeBytes;
    }

    @Override
    public void close() throws StorageException {
        try {
            channel.close();
        } catch (IOException e) {
            throw new StorageException("closing disk file " + path + ": " + e, e);
        }
    }

    static void putZeros(ByteBuffer target, int count) {
        for (int i = 0; i < count; i++) {
            target.put((byte) 0);
        }
    }
}
