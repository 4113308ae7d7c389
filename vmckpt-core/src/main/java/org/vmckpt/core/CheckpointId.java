package org.vmckpt.core;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HexFormat;
import java.util.regex.Pattern;

/**
 * The name of a checkpoint, unique across hosts: {@code YYYYMMDDTHHMMSSZ-} and 64 random bits in
 * hexadecimal. It sorts by time, and is safe as a file name.
 */
public record CheckpointId(@JsonValue String value) implements Comparable<CheckpointId> {
    private static final Pattern FORM = Pattern.compile("\\d{8}T\\d{6}Z-[0-9a-f]{16}");
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);
    private static final SecureRandom RANDOM = new SecureRandom();

    @JsonCreator(mode = JsonCreator.Mode.DELEGATING)
    public CheckpointId {
        if (!isWellFormed(value)) {
            throw new IllegalArgumentException("not a checkpoint id: " + value);
        }
    }

    public static boolean isWellFormed(String value) {
        return FORM.matcher(value).matches();
    }

    public static CheckpointId create(Instant now) {
        byte[] random = new byte[Long.BYTES];
        RANDOM.nextBytes(random);
        return new CheckpointId(TIME.format(now) + "-" + HexFormat.of().formatHex(random));
    }

    /** The random part: enough to tell apart the files that belong to one checkpoint. */
    public String shortForm() {
        return value.substring(value.length() - 16);
    }

    @Override
    public int compareTo(CheckpointId other) {
        return value.compareTo(other.value);
    }

    @Override
    public String toString() {
        return value;
    }
}
