package org.vmckpt.testvm;

/** A test guest did not do what it was asked to; the message holds what it said last. */
public final class TestGuestException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public TestGuestException(String message) {
        super(message);
    }

    public TestGuestException(String message, Throwable cause) {
        super(message, cause);
    }
}
