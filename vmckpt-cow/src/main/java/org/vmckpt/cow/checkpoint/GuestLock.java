package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/**
 * Keeps two checkpoints of one guest apart, whatever store or QMP socket they use: byte number
 * <em>pid</em> of one lock file. The kernel releases it when we die.
 */
final class GuestLock implements AutoCloseable {
    private final FileChannel channel;

    private GuestLock(FileChannel channel) {
        this.channel = channel;
    }

    static GuestLock acquire(long pid) throws VmckptException {
        Path file = RuntimeFolder.path().resolve("guests.lock");
        FileChannel channel = open(file);
        try {
            if (tryLock(channel, pid) == null) {
                channel.close();
                throw new ConflictException(
                        "checkpoint of the guest with QEMU pid "
                                + pid
                                + ": another checkpoint of it is being taken; wait until it ends");
            }
            return new GuestLock(channel);
        } catch (IOException e) {
            throw new StorageException("locking " + file + ": " + e, e);
        }
    }

    private static FileChannel open(Path file) throws StorageException {
        try {
            Files.createDirectories(file.getParent());
            return FileChannel.open(
                    file,
                    java.util.Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rw-------")));
        } catch (IOException e) {
            throw new StorageException("opening lock file " + file + ": " + e, e);
        }
    }

    private static @Nullable FileLock tryLock(FileChannel channel, long pid) throws IOException {
        try {
            return channel.tryLock(pid, 1, false);
        } catch (OverlappingFileLockException e) {
            return null;
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            // The lock ends with the process at the latest, and nothing was written.
        }
    }
}
