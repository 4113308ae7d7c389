package org.vmckpt.cli;

import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** What was measured, for people. A key's last word is its unit: {@code pauseMicros}. */
final class Statistics {
    private Statistics() {}

    static Table table(Map<String, Long> statistics) {
        Table table = new Table();
        new TreeMap<>(statistics).forEach((key, value) -> table.row(label(key), text(key, value)));
        return table;
    }

    /** {@code copyWindowMicros} becomes {@code Copy window}. */
    static String label(String key) {
        String words =
                withoutUnit(key)
                        .replaceAll("(?<=[a-z0-9])(?=[A-Z])", " ")
                        .toLowerCase(Locale.ROOT)
                        .replace("cow", "COW");
        return words.isEmpty()
                ? key
                : words.substring(0, 1).toUpperCase(Locale.ROOT) + words.substring(1);
    }

    private static String withoutUnit(String key) {
        return key.replaceFirst("(Nanos|Micros|Millis|Seconds|Bytes)$", "");
    }

    static String text(String key, long value) {
        if (key.endsWith("Nanos")) {
            return HumanDuration.format(Duration.ofNanos(value));
        }
        if (key.endsWith("Micros")) {
            return HumanDuration.format(Duration.ofNanos(value * 1_000));
        }
        if (key.endsWith("Millis")) {
            return HumanDuration.format(Duration.ofMillis(value));
        }
        if (key.endsWith("Seconds")) {
            return HumanDuration.format(Duration.ofSeconds(value));
        }
        if (key.toLowerCase(Locale.ROOT).endsWith("bytes")) {
            return HumanSize.format(value);
        }
        return String.format(Locale.ROOT, "%,d", value);
    }
}
