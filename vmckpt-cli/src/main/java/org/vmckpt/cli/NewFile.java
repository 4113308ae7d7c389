package org.vmckpt.cli;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/** A file that gets its name when it is complete and durable. Only its owner may read it. */
final class NewFile implements ExportTarget {
    private final Path file;
    private final Path partial;

    NewFile(Path file) {
        this.file = file.toAbsolutePath();
        this.partial =
                this.file.resolveSibling(
                        this.file.getFileName() + ".partial-" + ProcessHandle.current().pid());
    }

    @Override
    public long write(Content content) throws VmckptException {
        refuseExisting();
        try {
            long bytes = writePartial(content);
            // A link fails when the name has been taken meanwhile; a rename would replace it.
            Files.createLink(file, partial);
            return bytes;
        } catch (FileAlreadyExistsException e) {
            throw exists();
        } catch (NoSuchFileException e) {
            throw new NotFoundException(
                    "export to " + file + ": folder " + file.getParent() + " does not exist", e);
        } catch (IOException e) {
            throw new StorageException("export to " + file + ": cannot write: " + e, e);
        } finally {
            deletePartial();
        }
    }

    private void refuseExisting() throws ConflictException {
        if (Files.exists(file)) {
            throw exists();
        }
    }

    private ConflictException exists() {
        return new ConflictException(
                "export to " + file + ": the file exists; remove it or name another");
    }

    private long writePartial(Content content) throws IOException, VmckptException {
        try (FileChannel channel =
                        FileChannel.open(
                                partial,
                                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                                PosixFilePermissions.asFileAttribute(
                                        PosixFilePermissions.fromString("rw-------")));
                OutputStream out =
                        new BufferedOutputStream(Channels.newOutputStream(channel), BUFFER_BYTES)) {
            long bytes = content.writeTo(out);
            out.flush();
            channel.force(true);
            return bytes;
        }
    }

    private void deletePartial() throws StorageException {
        try {
            Files.deleteIfExists(partial);
        } catch (IOException e) {
            throw new StorageException("export to " + file + ": cannot delete " + partial, e);
        }
    }
}
