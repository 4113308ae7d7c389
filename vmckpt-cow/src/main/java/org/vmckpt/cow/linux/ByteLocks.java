package org.vmckpt.cow.linux;

import java.nio.file.Path;

/**
 * Shared locks on single bytes of a file, which tell other processes something. They belong to who
 * opened the file ("open file description locks"), not to the process: closing another descriptor
 * of the same file does not end them, and two in one process see each other. The kernel ends them
 * when the process dies.
 */
public final class ByteLocks implements AutoCloseable {
    private final Syscalls syscalls = FfmSyscalls.INSTANCE;
    private final Fd fd;
    private final String name;

    private ByteLocks(Fd fd, String name) {
        this.fd = fd;
        this.name = name;
    }

    /** Locks nothing yet. */
    public static ByteLocks open(Path file) throws ErrnoException {
        Syscalls syscalls = FfmSyscalls.INSTANCE;
        long number = syscalls.open(file.toString(), Abi.O_RDONLY | Abi.O_CLOEXEC);
        ErrnoException.check(number, "open", file.toString());
        return new ByteLocks(new Fd(syscalls, (int) number), file.toString());
    }

    /**
     * Others may lock the byte in the same way.
     *
     * @return false if the file system knows no such locks: nothing was done
     */
    public boolean share(long offset) throws ErrnoException {
        long result = lock(Abi.F_OFD_SETLK, Abi.F_RDLCK, offset);
        if (result == -Errno.ENOLCK || result == -Errno.EOPNOTSUPP || result == -Errno.EINVAL) {
            return false;
        }
        ErrnoException.check(result, "F_OFD_SETLK", name);
        return true;
    }

    /** Ends our lock of a byte, if there is one. */
    public void release(long offset) throws ErrnoException {
        ErrnoException.check(lock(Abi.F_OFD_SETLK, Abi.F_UNLCK, offset), "F_OFD_SETLK", name);
    }

    /** Whether anybody else has locked the byte just now. */
    public boolean isLockedByOthers(long offset) throws ErrnoException {
        ErrnoException.check(lock(Abi.F_OFD_GETLK, Abi.F_WRLCK, offset), "F_OFD_GETLK", name);
        return Scratch.current().getShort(Abi.FLOCK_L_TYPE) != Abi.F_UNLCK;
    }

    private long lock(int command, short type, long offset) {
        Scratch flock = Scratch.current();
        flock.clear();
        flock.putShort(Abi.FLOCK_L_TYPE, type);
        flock.putLong(Abi.FLOCK_L_START, offset);
        flock.putLong(Abi.FLOCK_L_LEN, 1);
        return syscalls.fcntl(fd.number(), command, flock.address());
    }

    /** Ends all our locks. */
    @Override
    public void close() {
        fd.close();
    }
}
