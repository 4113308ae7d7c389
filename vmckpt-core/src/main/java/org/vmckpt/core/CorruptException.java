package org.vmckpt.core;

/** Stored or received bytes are not what was written: the checkpoint part must not be used. */
public final class CorruptException extends VmckptException {
    private static final long serialVersionUID = 1L;

    public CorruptException(String message) {
        super(message);
    }

    public CorruptException(String message, Throwable cause) {
        super(message, cause);
    }
}
