package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.GuestFile;

/** An open image file of a fixed size. */
final class ImageFile implements AutoCloseable {
    private final Path path;
    private final GuestFile file;
    private final long sizeBytes;

    private ImageFile(Path path, GuestFile file, long sizeBytes) {
        this.path = path;
        this.file = file;
        this.sizeBytes = sizeBytes;
    }

    static ImageFile open(Path path) throws VmckptException {
        if (!Files.isRegularFile(path)) {
            throw new NotFoundException("opening disk file " + path + ": there is no such file");
        }
        try {
            return new ImageFile(path, GuestFile.openForReading(path), Files.size(path));
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
        int start = target.position();
        try {
            file.pread(target, offset);
        } catch (ErrnoException e) {
            throw failure("reading", offset + target.position() - start, e);
        }
        putZeros(target, target.remaining());
    }

    /** Where data starts at or after {@code offset}; the file's size if only holes follow. */
    long nextData(long offset) throws StorageException {
        try {
            long data = file.nextData(offset);
            return data < 0 ? sizeBytes : Math.min(data, sizeBytes);
        } catch (ErrnoException e) {
            throw failure("looking for data in", offset, e);
        }
    }

    /** Where a hole starts at or after {@code offset}; the file's end counts as one. */
    long nextHole(long offset) throws StorageException {
        try {
            long hole = file.nextHole(offset);
            return hole < 0 ? sizeBytes : Math.min(hole, sizeBytes);
        } catch (ErrnoException e) {
            throw failure("looking for holes in", offset, e);
        }
    }

    @Override
    public void close() {
        file.close();
    }

    private StorageException failure(String operation, long offset, ErrnoException e) {
        return new StorageException(
                operation + " disk file " + path + " at offset " + offset + ": " + e, e);
    }

    static void putZeros(ByteBuffer target, int count) {
        for (int i = 0; i < count; i++) {
            target.put((byte) 0);
        }
    }
}
