package org.vmckpt.core;

/** A file could not be written or read: full disk, missing permission, failing device. */
public final class StorageException extends VmckptException {
    private static final long serialVersionUID = 1L;

    public StorageException(String message) {
        super(message);
    }

    public StorageException(String message, Throwable cause) {
        super(message, cause);
    }
}
