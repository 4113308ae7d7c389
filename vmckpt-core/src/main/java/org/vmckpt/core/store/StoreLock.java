package org.vmckpt.core.store;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.VmckptException;

/**
 * The store's lock: many share it, or one has it alone. Nobody waits.
 *
 * <p>POSIX locks belong to the process, and closing any descriptor of the file drops them all. So
 * there is one object, and at most one open descriptor, per store in this JVM; it counts the
 * holders here and holds one lock for them all.
 */
final class StoreLock {
    private static final Map<Path, StoreLock> BY_ROOT = new HashMap<>();

    private final StoreDirectory directory;

    /** These are guarded by this object. */
    private @Nullable FileChannel channel;

    private int sharers;
    private boolean exclusive;

    private StoreLock(StoreDirectory directory) {
        this.directory = directory;
    }

    static StoreLock of(StoreDirectory directory) {
        synchronized (BY_ROOT) {
            return BY_ROOT.computeIfAbsent(directory.root(), root -> new StoreLock(directory));
        }
    }

    synchronized StoreHold share(String operation) throws VmckptException {
        if (exclusive) {
            throw busy(operation, "segments are being removed from it");
        }
        if (sharers == 0) {
            lock(true, operation, "another process is removing segments from it");
        }
        sharers++;
        return new Hold();
    }

    synchronized StoreHold exclude(String operation) throws VmckptException {
        if (exclusive || sharers > 0) {
            throw busy(operation, "it is being read or written by this process");
        }
        lock(false, operation, "another vmckpt process is reading or writing it");
        exclusive = true;
        return new Hold();
    }

    private void lock(boolean shared, String operation, String busyBecause) throws VmckptException {
        FileChannel opened = null;
        boolean locked = false;
        try {
            opened = DurableFiles.openOrCreateForLocking(directory.lock());
            FileLock held = opened.tryLock(0, Long.MAX_VALUE, shared);
            locked = held != null;
            if (!locked) {
                throw busy(operation, busyBecause);
            }
            channel = opened;
        } catch (IOException e) {
            throw directory.failure(operation, directory.lock(), e);
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
