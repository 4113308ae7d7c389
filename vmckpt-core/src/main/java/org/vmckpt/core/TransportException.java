package org.vmckpt.core;

/** A connection to QEMU or a peer could not be made, broke, or timed out. */
public final class TransportException extends VmckptException {
    private static final long serialVersionUID = 1L;

    public TransportException(String message) {
        super(message);
    }

    public TransportException(String message, Throwable cause) {
        super(message, cause);
    }
}
