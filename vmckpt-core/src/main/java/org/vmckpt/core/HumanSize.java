package org.vmckpt.core;

import java.math.BigDecimal;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sizes as people write them: {@code 512 MiB}; powers of 1024 throughout. */
public final class HumanSize {
    private static final String UNITS = "KMGTPE";
    private static final Pattern FORM =
            Pattern.compile("(\\d+(?:\\.\\d+)?)\\s*([KMGTPE]?)(?:iB|B)?", Pattern.CASE_INSENSITIVE);

    private HumanSize() {}

    /** Three significant digits are enough for people; JSON has the bytes. */
    public static String format(long bytes) {
        if (bytes < 1024) {
            return bytes + " B";
        }
        double value = bytes;
        int unit = -1;
        // 1023.95 would be printed as 1024.0.
        while (value >= 1023.95 && unit < UNITS.length() - 1) {
            value /= 1024;
            unit++;
        }
        boolean whole = value == Math.rint(value) || value >= 100;
        return String.format(
                Locale.ROOT, whole ? "%.0f %ciB" : "%.1f %ciB", value, UNITS.charAt(unit));
    }

    /** Reads one; an IllegalArgumentException says what was expected. */
    public static long parse(String text) {
        Matcher matcher = FORM.matcher(text.strip());
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    "'"
                            + text
                            + "' is not a size; expected a number and a unit, such as 64M or"
                            + " 1.5GiB");
        }
        String unit = matcher.group(2).toUpperCase(Locale.ROOT);
        int power = unit.isEmpty() ? 0 : UNITS.indexOf(unit) + 1;
        try {
            return new BigDecimal(matcher.group(1))
                    .multiply(BigDecimal.valueOf(1024).pow(power))
                    .toBigInteger()
                    .longValueExact();
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("'" + text + "' is too large; at most 8EiB - 1");
        }
    }
}
