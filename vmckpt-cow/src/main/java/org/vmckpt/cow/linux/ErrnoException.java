package org.vmckpt.cow.linux;

import java.io.IOException;

/** A system call that failed: which, on what, and why. */
public final class ErrnoException extends IOException {
    private static final long serialVersionUID = 1L;

    private final String call;
    private final int errno;

    ErrnoException(String call, int errno, String detail) {
        super(call + " of " + detail + " failed: " + Errno.nameOf(errno));
        this.call = call;
        this.errno = errno;
    }

    /** The call's name in C, for example {@code PTRACE_SEIZE}. */
    public String call() {
        return call;
    }

    /** The positive error number; see {@link Errno}. */
    public int errno() {
        return errno;
    }

    /** Returns the result of a call, or throws when it is a negative errno. */
    static long check(long result, String call, String detail) throws ErrnoException {
        if (result < 0) {
            throw new ErrnoException(call, (int) -result, detail);
        }
        return result;
    }
}
