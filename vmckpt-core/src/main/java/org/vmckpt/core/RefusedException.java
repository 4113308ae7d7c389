package org.vmckpt.core;

/** The operation would not be safe, or a limit was passed; the guest was left running. */
public sealed class RefusedException extends VmckptException permits MemoryDiscardedException {
    private static final long serialVersionUID = 1L;

    public RefusedException(String message) {
        super(message);
    }

    public RefusedException(String message, Throwable cause) {
        super(message, cause);
    }
}
