package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.PlainFile;
import org.vmckpt.cow.block.StorageFile;

/** An open image file of a fixed size. */
final class ImageFile implements AutoCloseable {
    private final Path path;
    private final PlainFile file;
    private final long sizeBytes;

    private ImageFile(Path path, PlainFile file, long sizeBytes) {
        this.path = path;
        this.file = file;
        this.sizeBytes = sizeBytes;
    }

    static ImageFile open(Path path) throws VmckptException {
        PlainFile file = PlainFile.openReadOnly(path);
        try {
            return new ImageFile(path, file, file.size());
        } catch (IOException e) {
            file.close();
            throw new StorageException("opening disk file " + path + ": " + e, e);
        }
    }

    Path path() {
        return path;
    }

    long sizeBytes() {
        return sizeBytes;
    }

    /** The file for a parser; it closes with this object alone. */
    StorageFile storage() {
        return file;
    }

    /** Fills {@code target}; what lies past the end of the file is zeros, as it is for QEMU. */
    void read(long offset, ByteBuffer target) throws StorageException {
        int start = target.position();
        try {
            file.read(target, offset);
        } catch (IOException e) {
            throw failure("reading", offset + target.position() - start, e);
        }
        putZeros(target, target.remaining());
    }

    /** Where data starts at or after {@code offset}; the file's size if only holes follow. */
    long nextData(long offset) throws StorageException {
        try {
            return Math.min(file.nextData(offset), sizeBytes);
        } catch (IOException e) {
            throw failure("looking for data in", offset, e);
        }
    }

    /** Where a hole starts at or after {@code offset}; the file's end counts as one. */
    long nextHole(long offset) throws StorageException {
        try {
            return Math.min(file.nextHole(offset), sizeBytes);
        } catch (IOException e) {
            throw failure("looking for holes in", offset, e);
        }
    }

    @Override
    public void close() {
        file.close();
    }

    private StorageException failure(String operation, long offset, IOException e) {
        return new StorageException(
                operation + " disk file " + path + " at offset " + offset + ": " + e, e);
    }

    static void putZeros(ByteBuffer target, int count) {
        for (int i = 0; i < count; i++) {
            target.put((byte) 0);
        }
    }
}
