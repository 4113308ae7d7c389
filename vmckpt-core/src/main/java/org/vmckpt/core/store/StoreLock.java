package org.vmckpt.core.store;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.VmckptException;

/**
 * A lock of the store: many share it, or one has it alone.
 *
 * <p>POSIX locks belong to the process, and closing any descriptor of the file drops them all. So
 * there is one object, and at most one open descriptor, per store in this JVM; it counts the
 * holders here and holds one lock for them all.
 */
final class StoreLock {
    /** Segments are removed, and manifests replaced, in less; longer means that something hangs. */
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private static final int POLL_MILLIS = 5;

    private static final Map<Path, StoreLock> BY_FILE = new HashMap<>();

    private final StoreDirectory directory;
    private final Path file;

    /** These are guarded by this object. */
    private @Nullable FileChannel channel;

    private int sharers;
    private boolean exclusive;

    private StoreLock(StoreDirectory directory, Path file) {
        this.directory = directory;
        this.file = file;
    }

    /** Shared by all who need segments to stay, had alone by who removes them. */
    static StoreLock ofSegments(StoreDirectory directory) {
        return of(directory, directory.lock());
    }

    /** Had alone by who replaces or removes a manifest while segments stay; taken last. */
    static StoreLock ofManifests(StoreDirectory directory) {
        return of(directory, directory.manifestLock());
    }

    private static StoreLock of(StoreDirectory directory, Path file) {
        synchronized (BY_FILE) {
            return BY_FILE.computeIfAbsent(file, key -> new StoreLock(directory, key));
        }
    }

    /** Waits while somebody has it alone, which is short. */
    synchronized StoreHold share(String operation) throws VmckptException {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (exclusive || (sharers == 0 && !lock(true, operation))) {
            await(deadline, operation, "segments are being removed from it");
        }
        sharers++;
        return new Hold();
    }

    /** Does not wait: those who share it may do so for long. */
    synchronized StoreHold exclude(String operation) throws VmckptException {
        if (exclusive || sharers > 0) {
            throw busy(operation, "it is being read or written by this process");
        }
        if (!lock(false, operation)) {
            throw busy(operation, "another vmckpt process is reading or writing it");
        }
        exclusive = true;
        return new Hold();
    }

    /** Waits for others, none of whom has it for long. */
    synchronized StoreHold excludeSoon(String operation) throws VmckptException {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (exclusive || sharers > 0 || !lock(false, operation)) {
            await(deadline, operation, "its checkpoints are being changed");
        }
        exclusive = true;
        return new Hold();
    }

    /** Gives this object up while it waits. */
    @SuppressWarnings("WaitNotInLoop") // each caller asks again what it waits for
    private void await(long deadline, String operation, String busyBecause)
            throws ConflictException {
        if (System.nanoTime() - deadline > 0) {
            throw busy(operation, busyBecause);
        }
        try {
            wait(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw busy(operation, busyBecause);
        }
    }

    /** Of the processes: false when another one has it. */
    private boolean lock(boolean shared, String operation) throws VmckptException {
        FileChannel opened = null;
        boolean locked = false;
        try {
            opened = DurableFiles.openOrCreateForLocking(file);
            FileLock held = opened.tryLock(0, Long.MAX_VALUE, shared);
            locked = held != null;
            if (locked) {
                channel = opened;
            }
            return locked;
        } catch (IOException e) {
            throw directory.failure(operation, file, e);
        } finally {
            if (!locked && opened != null) {
                DurableFiles.closeQuietly(opened);
            }
        }
    }

    private ConflictException busy(String operation, String because) {
        return new ConflictException(
                operation
                        + " store "
                        + directory.root()
                        + ": "
                        + because
                        + "; try again when that is done");
    }

    private synchronized void release() {
        if (exclusive) {
            exclusive = false;
        } else {
            sharers--;
        }
        if (sharers == 0 && channel != null) {
            DurableFiles.closeQuietly(channel);
            channel = null;
        }
        notifyAll();
    }

    private final class Hold implements StoreHold {
        private final AtomicBoolean open = new AtomicBoolean(true);

        @Override
        public void close() {
            if (open.compareAndSet(true, false)) {
                release();
            }
        }
    }
}
