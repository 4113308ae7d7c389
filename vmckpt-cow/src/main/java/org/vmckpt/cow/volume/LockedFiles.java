package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.ForwardingFile;
import org.vmckpt.cow.block.ImageLock;
import org.vmckpt.cow.block.StorageFile;
import org.vmckpt.cow.qcow2.ImageChain.FileOpener;

/**
 * Opens disk files under the locks that QEMU takes too, so that neither opens what the other
 * writes. A file that is open several times here has one lock.
 */
final class LockedFiles implements FileOpener {
    private final FileOpener files;

    /** Guarded by this, with all in it. */
    private final Map<Path, Shared> open = new HashMap<>();

    private static final class Shared {
        final ImageLock lock;
        int users;

        /** Whether requests may be writing it, and who else does just now. */
        boolean active;

        int writers;

        Shared(ImageLock lock) {
            this.lock = lock;
        }
    }

    LockedFiles(FileOpener files) {
        this.files = files;
    }

    @Override
    public synchronized StorageFile open(Path path, boolean writable) throws VmckptException {
        StorageFile file = files.open(path, writable);
        boolean locked = false;
        try {
            Path key = key(path);
            Shared shared = open.get(key);
            if (shared == null) {
                shared = new Shared(ImageLock.take(path));
                open.put(key, shared);
            }
            shared.users++;
            StorageFile opened = new LockedFile(file, key, shared);
            if (writable) {
                startWriting(key, shared);
                shared.active = true;
            }
            locked = true;
            return opened;
        } finally {
            if (!locked) {
                closeQuietly(file);
            }
        }
    }

    private void startWriting(Path key, Shared shared) throws VmckptException {
        boolean locked = false;
        try {
            if (!shared.active && shared.writers == 0) {
                shared.lock.write();
            }
            locked = true;
        } finally {
            if (!locked) {
                leave(key, shared);
            }
        }
    }

    /** Of a file that is open; others that have it open are a conflict. */
    synchronized void beginWriting(Path path) throws VmckptException {
        Shared shared = shared(path);
        if (!shared.active && shared.writers == 0) {
            shared.lock.write();
        }
        shared.writers++;
    }

    synchronized void endWriting(Path path) throws VmckptException {
        Shared shared = shared(path);
        shared.writers--;
        restIfIdle(shared);
    }

    /** No request writes the file any more, and nothing of it is in memory only. */
    synchronized void rest(Path path) throws VmckptException {
        Shared shared = open.get(key(path));
        if (shared != null) {
            shared.active = false;
            restIfIdle(shared);
        }
    }

    private static void restIfIdle(Shared shared) throws VmckptException {
        if (!shared.active && shared.writers == 0) {
            shared.lock.rest();
        }
    }

    private Shared shared(Path path) {
        Shared shared = open.get(key(path));
        if (shared == null) {
            throw new IllegalStateException(path + " is not open");
        }
        return shared;
    }

    private static Path key(Path path) {
        try {
            return path.toRealPath();
        } catch (IOException e) {
            // Removed meanwhile, say; it was opened by the same name.
            return path.toAbsolutePath().normalize();
        }
    }

    private synchronized void leave(Path key, Shared shared) {
        shared.users--;
        if (shared.users == 0) {
            open.remove(key);
            shared.lock.close();
        }
    }

    private static void closeQuietly(StorageFile file) {
        try {
            file.close();
        } catch (IOException e) {
            // The error that made us come here is the one to tell.
        }
    }

    private final class LockedFile extends ForwardingFile {
        private final Path key;
        private final Shared shared;
        private boolean closed;

        LockedFile(StorageFile file, Path key, Shared shared) {
            super(file);
            this.key = key;
            this.shared = shared;
        }

        @Override
        public void close() throws IOException {
            try {
                super.close();
            } finally {
                if (!closed) {
                    closed = true;
                    leave(key, shared);
                }
            }
        }
    }
}
