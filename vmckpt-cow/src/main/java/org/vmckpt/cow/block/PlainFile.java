package org.vmckpt.cow.block;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.HostFile;

/** A file of the host. */
public final class PlainFile implements StorageFile {
    private static final int ZEROS_BYTES = 1 << 20;

    private final HostFile file;

    private PlainFile(HostFile file) {
        this.file = file;
    }

    /** Opens an existing file; every write fails. */
    public static PlainFile openReadOnly(Path path) throws VmckptException {
        requireFile(path);
        try {
            return new PlainFile(HostFile.openForReading(path));
        } catch (ErrnoException e) {
            throw new StorageException("opening disk file " + path + ": " + e.getMessage(), e);
        }
    }

    /** Opens an existing file for reading and writing. */
    public static PlainFile open(Path path) throws VmckptException {
        requireFile(path);
        try {
            return new PlainFile(HostFile.openForWriting(path));
        } catch (ErrnoException e) {
            throw new StorageException(
                    "opening disk file " + path + " for writing: " + e.getMessage(), e);
        }
    }

    /** Makes a new, empty file that its owner alone may read. */
    public static PlainFile create(Path path) throws VmckptException {
        try {
            Files.createFile(
                    path,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rw-------")));
        } catch (java.nio.file.FileAlreadyExistsException e) {
            throw new ConflictException("creating disk file " + path + ": it exists already", e);
        } catch (IOException e) {
            throw new StorageException("creating disk file " + path + ": " + e, e);
        }
        return open(path);
    }

    private static void requireFile(Path path) throws NotFoundException {
        if (!Files.isRegularFile(path)) {
            throw new NotFoundException("opening disk file " + path + ": there is no such file");
        }
    }

    @Override
    public int read(ByteBuffer into, long offset) throws IOException {
        return file.read(into, offset);
    }

    @Override
    public void write(ByteBuffer from, long offset) throws IOException {
        file.write(from, offset);
    }

    @Override
    public void zero(long offset, long length) throws IOException {
        long end = Math.min(offset + length, file.size());
        if (end <= offset || file.punchHole(offset, end - offset)) {
            return;
        }
        ByteBuffer zeros = ByteBuffer.allocateDirect((int) Math.min(ZEROS_BYTES, end - offset));
        for (long at = offset; at < end; at += zeros.limit()) {
            file.write(zeros.clear().limit((int) Math.min(zeros.capacity(), end - at)), at);
        }
    }

    @Override
    public void sync() throws IOException {
        file.sync();
    }

    @Override
    public long size() throws IOException {
        return file.size();
    }

    @Override
    public void resize(long bytes) throws IOException {
        file.resize(bytes);
    }

    @Override
    public long nextData(long offset) throws IOException {
        long data = file.nextData(offset);
        return data < 0 ? file.size() : data;
    }

    @Override
    public long nextHole(long offset) throws IOException {
        long hole = file.nextHole(offset);
        return hole < 0 ? file.size() : hole;
    }

    @Override
    public void close() {
        file.close();
    }
}
