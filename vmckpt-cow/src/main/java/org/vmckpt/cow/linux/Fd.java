package org.vmckpt.cow.linux;

import java.util.concurrent.atomic.AtomicInteger;

/** The one owner of a file descriptor. Closing twice is harmless. */
public final class Fd implements AutoCloseable {
    private static final int CLOSED = -1;

    private final Syscalls syscalls;
    private final AtomicInteger number;

    Fd(Syscalls syscalls, int number) {
        this.syscalls = syscalls;
        this.number = new AtomicInteger(number);
    }

    /** The descriptor's number; -1, which every call refuses with EBADF, after close. */
    int number() {
        return number.get();
    }

    @Override
    public void close() {
        int open = number.getAndSet(CLOSED);
        if (open != CLOSED) {
            // Linux frees the descriptor whatever close() returns; there is nothing to retry.
            syscalls.close(open);
        }
    }
}
