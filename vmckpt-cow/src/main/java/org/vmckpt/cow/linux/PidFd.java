package org.vmckpt.cow.linux;

/** A handle of a process that stays that process's even when its number is used again. */
public final class PidFd implements AutoCloseable {
    private final Syscalls syscalls;
    private final Fd fd;
    private final long pid;

    private PidFd(Syscalls syscalls, Fd fd, long pid) {
        this.syscalls = syscalls;
        this.fd = fd;
        this.pid = pid;
    }

    /**
     * Opens a handle of a running process.
     *
     * @throws ErrnoException ESRCH when there is no such process
     */
    public static PidFd open(long pid) throws ErrnoException {
        Syscalls syscalls = FfmSyscalls.INSTANCE;
        long number = syscalls.pidfdOpen((int) pid, 0);
        ErrnoException.check(number, "pidfd_open", "process " + pid);
        return new PidFd(syscalls, new Fd(syscalls, (int) number), pid);
    }

    /**
     * Takes a copy of one of the process's descriptors.
     *
     * @throws ErrnoException EPERM without the right to trace the process, EBADF when it has no
     *     such descriptor
     */
    public Fd getfd(int targetFd) throws ErrnoException {
        long number = syscalls.pidfdGetfd(fd.number(), targetFd, 0);
        String detail = "descriptor " + targetFd + " of process " + pid;
        return new Fd(syscalls, (int) ErrnoException.check(number, "pidfd_getfd", detail));
    }

    @Override
    public void close() {
        fd.close();
    }
}
