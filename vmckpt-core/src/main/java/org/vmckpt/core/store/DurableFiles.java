package org.vmckpt.core.store;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channel;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How files of a store, and those of volumes, are made: private, never through a link, and durable
 * once renamed.
 */
public final class DurableFiles {
    private static final Logger LOG = LoggerFactory.getLogger(DurableFiles.class);

    private static final FileAttribute<Set<PosixFilePermission>> PRIVATE_FILE =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
    private static final FileAttribute<Set<PosixFilePermission>> PRIVATE_FOLDER =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));
    private static final Set<OpenOption> CREATE_NEW =
            Set.of(
                    StandardOpenOption.CREATE_NEW,
                    StandardOpenOption.READ,
                    StandardOpenOption.WRITE,
                    LinkOption.NOFOLLOW_LINKS);
    private static final Set<OpenOption> OPEN_OR_CREATE =
            Set.of(
                    StandardOpenOption.CREATE,
                    StandardOpenOption.READ,
                    StandardOpenOption.WRITE,
                    LinkOption.NOFOLLOW_LINKS);
    private static final Set<OpenOption> READ =
            Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);

    private DurableFiles() {}

    static FileChannel create(Path file) throws IOException {
        return FileChannel.open(file, CREATE_NEW, PRIVATE_FILE);
    }

    public static FileChannel openOrCreateForLocking(Path file) throws IOException {
        return FileChannel.open(file, OPEN_OR_CREATE, PRIVATE_FILE);
    }

    static FileChannel openForLocking(Path file) throws IOException {
        return FileChannel.open(
                file, StandardOpenOption.READ, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
    }

    public static void createFolder(Path folder) throws IOException {
        Files.createDirectory(folder, PRIVATE_FOLDER);
    }

    /** Opens a regular file; a link, a pipe or a device in its place is an error. */
    static FileChannel openForReading(Path file) throws IOException {
        boolean exists = Files.exists(file, LinkOption.NOFOLLOW_LINKS);
        if (exists && !Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
            throw new FileSystemException(file.toString(), null, "is not a regular file");
        }
        return FileChannel.open(file, READ);
    }

    /** Reads a small file whole. */
    public static byte[] read(Path file, int maxBytes) throws IOException {
        try (FileChannel channel = openForReading(file)) {
            long size = channel.size();
            if (size > maxBytes) {
                throw new FileSystemException(
                        file.toString(), null, size + " bytes, at most " + maxBytes + " expected");
            }
            ByteBuffer content = ByteBuffer.allocate((int) size);
            readFully(channel, content, 0);
            return content.array();
        }
    }

    /** Writes and syncs a new file; deletes it again when that fails. */
    public static void write(Path file, byte[] content) throws IOException {
        boolean written = false;
        try (FileChannel channel = create(file)) {
            writeFully(channel, ByteBuffer.wrap(content), 0);
            channel.force(true);
            written = true;
        } finally {
            if (!written) {
                deleteQuietly(file);
            }
        }
    }

    /** Gives a synced file its final name, replacing what had it, and makes that durable. */
    public static void rename(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        syncFolder(to.resolveSibling("."));
    }

    public static void syncFolder(Path folder) throws IOException {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    static void writeFully(FileChannel channel, ByteBuffer bytes, long offset) throws IOException {
        long at = offset;
        while (bytes.hasRemaining()) {
            at += channel.write(bytes, at);
        }
    }

    /** Fills the buffer up to its limit; the file must have that many bytes. */
    static void readFully(FileChannel channel, ByteBuffer into, long offset) throws IOException {
        long at = offset;
        while (into.hasRemaining()) {
            int count = channel.read(into, at);
            if (count < 0) {
                throw new EOFException("the file ends at byte " + at);
            }
            at += count;
        }
    }

    static void closeQuietly(Channel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            LOG.warn("close a file of the store: {}", e.toString());
        }
    }

    public static void deleteQuietly(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            reportLeftover(file, e);
        }
    }

    static void reportLeftover(Path file, IOException e) {
        LOG.warn("delete {}: {}; the next run removes it", file, e.toString());
    }
}
