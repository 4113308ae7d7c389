package org.vmckpt.core;

/** The guest, the host or a format lacks something that the operation needs. */
public final class UnsupportedException extends VmckptException {
    private static final long serialVersionUID = 1L;

    public UnsupportedException(String message) {
        super(message);
    }

    public UnsupportedException(String message, Throwable cause) {
        super(message, cause);
    }
}
