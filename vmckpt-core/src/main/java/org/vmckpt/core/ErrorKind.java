package org.vmckpt.core;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Locale;

/** The kinds of errors as words, for other processes. They never change meaning. */
public enum ErrorKind {
    BUG,
    USAGE,
    NOT_FOUND,
    CORRUPT,
    CONFLICT,
    REFUSED,
    UNSUPPORTED,
    TRANSPORT,
    PROTOCOL,
    STORAGE;

    public static ErrorKind of(VmckptException error) {
        return switch (error) {
            case NotFoundException e -> NOT_FOUND;
            case CorruptException e -> CORRUPT;
            case ConflictException e -> CONFLICT;
            case RefusedException e -> REFUSED;
            case UnsupportedException e -> UNSUPPORTED;
            case TransportException e -> TRANSPORT;
            case ProtocolException e -> PROTOCOL;
            case StorageException e -> STORAGE;
        };
    }

    /** The error again, in the process that heard of it. */
    public VmckptException toException(String message) {
        return switch (this) {
            case NOT_FOUND -> new NotFoundException(message);
            case CORRUPT -> new CorruptException(message);
            case CONFLICT -> new ConflictException(message);
            case REFUSED -> new RefusedException(message);
            case UNSUPPORTED -> new UnsupportedException(message);
            case TRANSPORT -> new TransportException(message);
            case BUG, USAGE, PROTOCOL -> new ProtocolException(message);
            case STORAGE -> new StorageException(message);
        };
    }

    /** For example {@code not-found}. */
    @JsonValue
    public String text() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    @JsonCreator
    static ErrorKind of(String text) {
        return valueOf(text.toUpperCase(Locale.ROOT).replace('-', '_'));
    }
}
