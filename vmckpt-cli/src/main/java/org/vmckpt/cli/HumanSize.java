package org.vmckpt.cli;

import java.math.BigDecimal;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Sizes as people write them: {@code 512 MiB}; powers of 1024 throughout. */
final class HumanSize implements ITypeConverter<Long> {
    private static final String UNITS = "KMGTPE";
    private static final Pattern FORM =
            Pattern.compile("(\\d+(?:\\.\\d+)?)\\s*([KMGTPE]?)(?:iB|B)?", Pattern.CASE_INSENSITIVE);

    /** Three significant digits are enough for people; JSON has the bytes. */
    static String format(long bytes) {
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

    static long parse(String text) {
        Matcher matcher = FORM.matcher(text.strip());
        if (!matcher.matches()) {
            throw new TypeConversionException(
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
            throw new TypeConversionException("'" + text + "' is too large; at most 8EiB - 1");
        }
    }

    @Override
    public Long convert(String value) {
        return parse(value);
    }
}
