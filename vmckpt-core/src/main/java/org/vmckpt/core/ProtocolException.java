package org.vmckpt.core;

/** A peer answered in a way its protocol does not allow, or reported an error of its own. */
public final class ProtocolException extends VmckptException {
    private static final long serialVersionUID = 1L;

    public ProtocolException(String message) {
        super(message);
    }

    public ProtocolException(String message, Throwable cause) {
        super(message, cause);
    }
}
