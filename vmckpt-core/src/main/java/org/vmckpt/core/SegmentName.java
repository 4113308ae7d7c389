package org.vmckpt.core;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import java.util.regex.Pattern;

/**
 * The name of a segment: its kind, and the SHA-256 of its header and index.
 *
 * <p>The index holds the SHA-256 of every block, so the name vouches for each byte of the segment:
 * two segments of one name are the same, on any host.
 */
public record SegmentName(@JsonValue String value) implements Comparable<SegmentName> {
    private static final Pattern FORM = Pattern.compile("(memory|disk|device)-[0-9a-f]{64}");

    @JsonCreator(mode = JsonCreator.Mode.DELEGATING)
    public SegmentName {
        if (!isWellFormed(value)) {
            throw new IllegalArgumentException("not a segment name: " + value);
        }
    }

    public static boolean isWellFormed(String value) {
        return FORM.matcher(value).matches();
    }

    @Override
    public int compareTo(SegmentName other) {
        return value.compareTo(other.value);
    }

    @Override
    public String toString() {
        return value;
    }
}
