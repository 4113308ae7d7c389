package org.vmckpt.core.store;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The folder in which one store object writes files before they get their names. A lock in it says
 * that its writer lives; the kernel drops the lock with the process.
 */
final class TemporaryFolder implements AutoCloseable {
    /** How often a folder may be mistaken for garbage, between its creation and its lock. */
    private static final int MAX_ATTEMPTS = 100;

    private static final String LOCK = "lock";

    /** Closing any descriptor of a lock file drops this process's lock: never open our own. */
    private static final Set<Path> OURS = ConcurrentHashMap.newKeySet();

    private final Path folder;
    private final FileChannel lock;
    private final AtomicLong files = new AtomicLong();
    private final AtomicBoolean closed = new AtomicBoolean();

    private TemporaryFolder(Path folder, FileChannel lock) {
        this.folder = folder;
        this.lock = lock;
    }

    static TemporaryFolder create(Path parent) throws IOException {
        for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
            Path folder = parent.resolve(UUID.randomUUID().toString());
            OURS.add(folder);
            TemporaryFolder created = tryCreate(folder);
            if (created != null) {
                return created;
            }
            OURS.remove(folder);
        }
        throw new IOException("cannot keep a folder in " + parent);
    }

    /** Null when a cleaner of another process took the folder before it was locked. */
    private static @Nullable TemporaryFolder tryCreate(Path folder) throws IOException {
        DurableFiles.createFolder(folder);
        FileChannel lock = null;
        boolean held = false;
        try {
            lock = DurableFiles.create(folder.resolve(LOCK));
            // The cleaner deletes the file while it holds its lock: see whether it is still there.
            held =
                    lock.tryLock() != null
                            && Files.exists(folder.resolve(LOCK), LinkOption.NOFOLLOW_LINKS);
            return held ? new TemporaryFolder(folder, lock) : null;
        } catch (NoSuchFileException e) {
            return null;
        } finally {
            if (!held && lock != null) {
                DurableFiles.closeQuietly(lock);
            }
        }
    }

    /** A path in the folder at which there is no file yet. */
    Path newFile() {
        return folder.resolve(Long.toString(files.incrementAndGet()));
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            try {
                deleteTree(folder);
            } catch (IOException e) {
                DurableFiles.reportLeftover(folder, e);
            }
            DurableFiles.closeQuietly(lock);
            OURS.remove(folder);
        }
    }

    /**
     * Deletes what dead writers left.
     *
     * @param alone whether the store is locked exclusively, so that no folder is just being made
     * @return how many were deleted
     */
    static int deleteDead(Path parent, boolean alone) throws IOException {
        int deleted = 0;
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(parent)) {
            for (Path entry : entries) {
                if (!OURS.contains(entry) && deleteIfDead(entry, alone)) {
                    deleted++;
                }
            }
        }
        return deleted;
    }

    private static boolean deleteIfDead(Path entry, boolean alone) throws IOException {
        Path lockFile = entry.resolve(LOCK);
        boolean lockable = Files.isRegularFile(lockFile, LinkOption.NOFOLLOW_LINKS);
        if (!lockable) {
            if (alone) {
                deleteTree(entry);
            }
            return alone;
        }
        try (FileChannel channel = DurableFiles.openForLocking(lockFile)) {
            if (channel.tryLock() == null) {
                return false;
            }
            deleteTree(entry);
            return true;
        } catch (NoSuchFileException | OverlappingFileLockException e) {
            return false;
        }
    }

    /** Two levels are all there is; a link is deleted, never followed. The lock goes last. */
    private static void deleteTree(Path path) throws IOException {
        if (Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
            try (DirectoryStream<Path> entries = Files.newDirectoryStream(path)) {
                for (Path entry : entries) {
                    if (!entry.endsWith(LOCK)) {
                        deleteTree(entry);
                    }
                }
            }
            Files.deleteIfExists(path.resolve(LOCK));
        }
        Files.deleteIfExists(path);
    }
}
