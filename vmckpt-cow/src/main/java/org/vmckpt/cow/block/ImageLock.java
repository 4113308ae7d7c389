package org.vmckpt.cow.block;

import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.ByteLocks;
import org.vmckpt.cow.linux.ErrnoException;

/**
 * The locks by which QEMU's programs keep out of each other's disk files, as in its
 * block/file-posix.c. A permission has a number. Who uses it locks byte 100 + number, who does not
 * want others to use it locks byte 200 + number, and each looks whether somebody else has locked
 * the other byte. All locks are shared ones.
 *
 * <p>Whoever has a file open here reads it and wants nobody else to change it; a writer also
 * changes its content and its size. On a file system without such locks nothing is locked, as in
 * QEMU. Not thread-safe.
 */
public final class ImageLock implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ImageLock.class);

    private static final int USED_AT = 100;
    private static final int REFUSED_AT = 200;

    private static final int CONSISTENT_READ = 0;
    private static final int WRITE = 1;
    private static final int RESIZE = 3;

    private static final int[] CHANGES = {WRITE, RESIZE};

    private final Path file;
    private final ByteLocks locks;
    private boolean known = true;

    private ImageLock(Path file, ByteLocks locks) {
        this.file = file;
        this.locks = locks;
    }

    /**
     * For reading.
     *
     * @throws ConflictException if somebody writes the file
     */
    public static ImageLock take(Path file) throws VmckptException {
        try {
            ImageLock lock = new ImageLock(file, ByteLocks.open(file));
            boolean taken = false;
            try {
                lock.read();
                taken = true;
                return lock;
            } finally {
                if (!taken) {
                    lock.close();
                }
            }
        } catch (ErrnoException e) {
            throw failed(file, e);
        }
    }

    private void read() throws ErrnoException, ConflictException {
        // Locks first, then looks: of two who come at once at least one sees the other.
        share(USED_AT + CONSISTENT_READ);
        for (int change : CHANGES) {
            share(REFUSED_AT + change);
        }
        require(!isLocked(REFUSED_AT + CONSISTENT_READ), "does not let others read it");
        for (int change : CHANGES) {
            require(!isLocked(USED_AT + change), "writes it");
        }
    }

    /**
     * From now on for writing too.
     *
     * @throws ConflictException if somebody else reads or writes the file; then it is as before
     */
    public void write() throws VmckptException {
        boolean taken = false;
        try {
            for (int change : CHANGES) {
                share(USED_AT + change);
            }
            for (int change : CHANGES) {
                require(!isLocked(REFUSED_AT + change), "has it open");
            }
            taken = true;
        } catch (ErrnoException e) {
            throw failed(file, e);
        } finally {
            if (!taken) {
                rest();
            }
        }
    }

    /** From now on for reading only: others may read the file as well. */
    public void rest() throws VmckptException {
        try {
            for (int change : CHANGES) {
                if (known) {
                    locks.release(USED_AT + change);
                }
            }
        } catch (ErrnoException e) {
            throw failed(file, e);
        }
    }

    private void share(int offset) throws ErrnoException {
        if (known && !locks.share(offset)) {
            LOG.warn("{}: its file system knows no locks; nothing keeps others from it", file);
            known = false;
        }
    }

    private boolean isLocked(int offset) throws ErrnoException {
        return known && locks.isLockedByOthers(offset);
    }

    private void require(boolean free, String what) throws ConflictException {
        if (!free) {
            throw new ConflictException(
                    "opening disk file "
                            + file
                            + ": another process, QEMU or vmckpt, "
                            + what
                            + "; end that one first ('fuser "
                            + file
                            + "' tells which it is)");
        }
    }

    private static StorageException failed(Path file, ErrnoException e) {
        return new StorageException("locking disk file " + file + ": " + e.getMessage(), e);
    }

    @Override
    public void close() {
        locks.close();
    }
}
