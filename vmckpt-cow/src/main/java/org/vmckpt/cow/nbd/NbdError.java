package org.vmckpt.cow.nbd;

import java.io.IOException;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.ErrnoException;

/** What a request may end with. The numbers are the protocol's, whatever the host's are. */
enum NbdError {
    NONE(0),
    EPERM(1),
    EIO(5),
    EINVAL(22),
    ENOSPC(28),
    EOVERFLOW(75);

    private static final int EDQUOT = 122;
    private static final int EFBIG = 27;

    private final int code;

    NbdError(int code) {
        this.code = code;
    }

    int code() {
        return code;
    }

    /** A full disk is told as such: the guest's device can stop until there is room. */
    static NbdError of(IOException failure) {
        for (Throwable at = failure; at != null; at = at.getCause()) {
            if (at instanceof ErrnoException known) {
                return switch (known.errno()) {
                    case Errno.ENOSPC, EDQUOT, EFBIG -> ENOSPC;
                    default -> EIO;
                };
            }
        }
        return EIO;
    }
}
