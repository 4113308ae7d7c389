package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/**
 * Keeps two who work on one guest apart, whatever store or QMP socket they use: byte number
 * <em>pid</em> of one lock file. The kernel releases it when we die.
 *
 * <p>The file stays open: closing any descriptor of it would drop all locks of this process.
 */
public final class GuestLock implements AutoCloseable {
    /** Guarded by the class. */
    private static @Nullable FileChannel shared;

    private final FileLock lock;

    private GuestLock(FileLock lock) {
        this.lock = lock;
    }

    /**
     * Takes it.
     *
     * @throws ConflictException when somebody else has it
     */
    public static GuestLock acquire(long pid) throws VmckptException {
        Path file = RuntimeFolder.path().resolve("guests.lock");
        try {
            FileLock lock = tryLock(channel(file), pid);
            if (lock == null) {
                throw new ConflictException(
                        "taking hold of the guest with QEMU pid "
                                + pid
                                + ": another checkpoint of it is being taken, or a rollback; wait"
                                + " until it ends");
            }
            return new GuestLock(lock);
        } catch (IOException e) {
            throw new StorageException("locking " + file + ": " + e, e);
        }
    }

    private static synchronized FileChannel channel(Path file) throws IOException {
        FileChannel open = shared;
        if (open == null || !open.isOpen()) {
            Files.createDirectories(file.getParent());
            open =
                    FileChannel.open(
                            file,
                            Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
                            PosixFilePermissions.asFileAttribute(
                                    PosixFilePermissions.fromString("rw-------")));
            shared = open;
        }
        return open;
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
            lock.release();
        } catch (IOException e) {
            // The lock ends with the process at the latest, and nothing was written.
        }
    }
}
