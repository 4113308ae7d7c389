package org.vmckpt.cow.linux;

/** Wakes a thread that waits in {@link Userfaultfd#await}. Once set it stays set. */
public final class WakeEvent implements AutoCloseable {
    private final Syscalls syscalls;
    private final Fd fd;

    private WakeEvent(Syscalls syscalls, Fd fd) {
        this.syscalls = syscalls;
        this.fd = fd;
    }

    public static WakeEvent create() throws ErrnoException {
        Syscalls syscalls = FfmSyscalls.INSTANCE;
        long number = syscalls.eventfd(Abi.EFD_CLOEXEC | Abi.EFD_NONBLOCK);
        ErrnoException.check(number, "eventfd", "a wake-up event");
        return new WakeEvent(syscalls, new Fd(syscalls, (int) number));
    }

    public void set() {
        Scratch scratch = Scratch.current();
        scratch.putLong(0, 1);
        // Fails only when the counter is full, that is when it is set already, or after close.
        syscalls.write(fd.number(), scratch.address(), Long.BYTES);
    }

    int fdNumber() {
        return fd.number();
    }

    @Override
    public void close() {
        fd.close();
    }
}
