package org.vmckpt.core;

/** Something that must not exist already exists, or is in use by somebody else. */
public final class ConflictException extends VmckptException {
    private static final long serialVersionUID = 1L;

    public ConflictException(String message) {
        super(message);
    }

    public ConflictException(String message, Throwable cause) {
        super(message, cause);
    }
}
