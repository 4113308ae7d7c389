package org.vmckpt.core;

/**
 * The guest gave memory back while it was copied, so its content at the checkpoint's instant is not
 * known. Nothing is wrong with the guest, and the same checkpoint may succeed a moment later.
 */
public final class MemoryDiscardedException extends RefusedException {
    private static final long serialVersionUID = 1L;

    public MemoryDiscardedException(String message) {
        super(message);
    }
}
