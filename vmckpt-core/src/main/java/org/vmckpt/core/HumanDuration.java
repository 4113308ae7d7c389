package org.vmckpt.core;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Durations as people write them: {@code 3.5 ms}, {@code 1 min 20 s}. */
public final class HumanDuration {
    private static final Pattern FORM =
            Pattern.compile("(\\d+(?:\\.\\d+)?)\\s*(us|ms|s|m|min|h|d)");

    private HumanDuration() {}

    public static String format(Duration duration) {
        long nanos = duration.toNanos();
        if (nanos < 1_000_000) {
            return decimal(nanos / 1e3, "µs");
        }
        if (nanos < 1_000_000_000L) {
            return decimal(nanos / 1e6, "ms");
        }
        if (nanos < 60_000_000_000L) {
            return decimal(nanos / 1e9, "s");
        }
        long seconds = duration.toSeconds();
        return seconds < 3600
                ? seconds / 60 + " min " + seconds % 60 + " s"
                : seconds / 3600 + " h " + seconds % 3600 / 60 + " min";
    }

    private static String decimal(double value, String unit) {
        String digits = value < 10 ? "%.2f %s" : value < 100 ? "%.1f %s" : "%.0f %s";
        return String.format(Locale.ROOT, digits, value, unit);
    }

    /** Reads one; an IllegalArgumentException says what was expected. */
    public static Duration parse(String text) {
        Matcher matcher = FORM.matcher(text.strip());
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    "'"
                            + text
                            + "' is not a duration; expected a number and one of us, ms, s, min,"
                            + " h, d, such as 500ms or 5s");
        }
        BigDecimal nanos =
                new BigDecimal(matcher.group(1))
                        .multiply(BigDecimal.valueOf(unitNanos(matcher.group(2))));
        try {
            return Duration.ofNanos(nanos.toBigInteger().longValueExact());
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("'" + text + "' is too long; at most 292 years");
        }
    }

    private static long unitNanos(String unit) {
        return switch (unit) {
            case "us" -> 1_000L;
            case "ms" -> 1_000_000L;
            case "s" -> 1_000_000_000L;
            case "h" -> 3_600_000_000_000L;
            case "d" -> 86_400_000_000_000L;
            default -> 60_000_000_000L;
        };
    }
}
