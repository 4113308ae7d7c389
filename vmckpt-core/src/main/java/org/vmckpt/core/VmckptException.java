package org.vmckpt.core;

/**
 * Everything that can go wrong and is not a bug of ours.
 *
 * <p>A message says the operation, the object, what was expected, what was found, and what to do
 * next. The subclass says whose turn it is: it decides the exit code of the command line.
 */
public abstract sealed class VmckptException extends Exception
        permits TransportException,
                ProtocolException,
                CorruptException,
                NotFoundException,
                UnsupportedException,
                ConflictException,
                RefusedException,
                StorageException {
    private static final long serialVersionUID = 1L;

    VmckptException(String message) {
        super(message);
    }

    VmckptException(String message, Throwable cause) {
        super(message, cause);
    }
}
