package org.vmckpt.core.store;

import java.util.Optional;
import org.vmckpt.core.SegmentName;

/** What a segment holds. The code is part of the file format. */
public enum SegmentKind {
    MEMORY(1, "memory"),
    DISK(2, "disk"),
    DEVICE(3, "device");

    private final int code;
    private final String prefix;

    SegmentKind(int code, String prefix) {
        this.code = code;
        this.prefix = prefix;
    }

    int code() {
        return code;
    }

    /** The first part of the segment's name. */
    String prefix() {
        return prefix;
    }

    static Optional<SegmentKind> ofCode(int code) {
        for (SegmentKind kind : values()) {
            if (kind.code == code) {
                return Optional.of(kind);
            }
        }
        return Optional.empty();
    }

    /** The kind that a segment's name states. */
    public static SegmentKind of(SegmentName name) {
        for (SegmentKind kind : values()) {
            if (name.value().startsWith(kind.prefix + "-")) {
                return kind;
            }
        }
        throw new IllegalArgumentException("segment name of no known kind: " + name);
    }
}
