package org.vmckpt.core;

/** Something that the user named does not exist. */
public final class NotFoundException extends VmckptException {
    private static final long serialVersionUID = 1L;

    public NotFoundException(String message) {
        super(message);
    }

    public NotFoundException(String message, Throwable cause) {
        super(message, cause);
    }
}
