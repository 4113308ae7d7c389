package org.vmckpt.cow.memory;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vmckpt.core.ProtocolException;

/**
 * The RAM blocks that QEMU migrates and where each of them lies in its address space ({@code info
 * ramblock}; ram_block_format in QEMU's system/physmem.c, which tells addresses since 8.0).
 *
 * @param lines in the order of the migration stream
 */
record RamBlockTable(List<Line> lines) {
    private static final Pattern HEADING =
            Pattern.compile(
                    "\\s*Block Name\\s+PSize\\s+Offset\\s+Used\\s+Total(?<host>\\s+HVA\\b.*)?\\s*");
    private static final Pattern LINE =
            Pattern.compile(
                    "\\s*(?<name>.*?)\\s+(?<page>[0-9.]+ [KMGTPE]?i?B)"
                            + "\\s+0x(?<offset>[0-9a-f]{1,16})\\s+0x(?<used>[0-9a-f]{1,16})"
                            + "\\s+0x(?<total>[0-9a-f]{1,16})"
                            + "(\\s+0x(?<host>[0-9a-f]{1,16})\\b.*)?\\s*");

    /** One block. {@code usedBytes} can change when the guest starts again. */
    record Line(String name, long usedBytes, long hostAddress) {}

    RamBlockTable {
        lines = List.copyOf(lines);
    }

    static boolean hasAddresses(String text) {
        Matcher heading = HEADING.matcher(text.lines().findFirst().orElse(""));
        return heading.matches() && heading.group("host") != null;
    }

    /**
     * Reads QEMU's answer.
     *
     * @param elsewhere where the blocks lie, for an answer that does not tell it
     */
    static RamBlockTable parse(String text, Map<RamBlockList.Identity, Long> elsewhere)
            throws ProtocolException {
        String heading = text.lines().findFirst().orElse("nothing");
        if (!HEADING.matcher(heading).matches()) {
            throw unexpected("the heading of a table", heading);
        }
        boolean told = hasAddresses(text);
        List<Line> lines = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (String line : text.lines().skip(1).filter(it -> !it.isBlank()).toList()) {
            Matcher matcher = LINE.matcher(line);
            if (!matcher.matches() || told != (matcher.group("host") != null)) {
                throw unexpected("a RAM block", line);
            }
            // A block without a name is not migrated.
            if (matcher.group("name").isEmpty()) {
                continue;
            }
            long used = number(matcher, "used");
            Long host =
                    told ? Long.valueOf(number(matcher, "host")) : elsewhere.get(identity(matcher));
            if (host == null) {
                throw unexpected("a RAM block that QEMU's list has too", line);
            }
            lines.add(new Line(matcher.group("name"), used, host));
            if (!names.add(lines.getLast().name())) {
                throw unexpected("each RAM block once", line);
            }
        }
        return new RamBlockTable(lines);
    }

    private static RamBlockList.Identity identity(Matcher line) {
        return new RamBlockList.Identity(
                line.group("name"),
                number(line, "offset"),
                number(line, "used"),
                number(line, "total"));
    }

    private static long number(Matcher line, String field) {
        return Long.parseUnsignedLong(line.group(field), 16);
    }

    private static ProtocolException unexpected(String expected, String found) {
        return new ProtocolException(
                "info ramblock: expected %s, found: %s".formatted(expected, found.strip()));
    }

    Optional<Line> named(String name) {
        return lines.stream().filter(line -> line.name().equals(name)).findFirst();
    }
}
