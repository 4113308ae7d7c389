package org.vmckpt.cli;

import java.time.Duration;
import java.util.Comparator;
import java.util.Locale;
import java.util.Map;
import org.vmckpt.core.HumanDuration;
import org.vmckpt.core.HumanSize;

/** What was measured, for people. A key's last word is its unit: {@code pauseMicros}. */
final class Statistics {
    /** What people ask for first: the pause, and then its parts. */
    private static final Comparator<String> ORDER =
            Comparator.comparing((String key) -> !key.startsWith("pause"))
                    .thenComparing(Statistics::label);

    private Statistics() {}

    static Table table(Map<String, Long> statistics) {
        Table table = new Table();
        statistics.keySet().stream()
                .sorted(ORDER)
                .forEach(key -> table.row(label(key), text(key, statistics.getOrDefault(key, 0L))));
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
