package org.vmckpt.cow.memory;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/**
 * The RAM blocks that QEMU migrates and where each of them lies in its address space, as QEMU 8.0
 * and later tell it ({@code info ramblock}; ram_block_format in QEMU's system/physmem.c).
 *
 * @param lines in the order of the migration stream
 */
record RamBlockTable(List<Line> lines) {
    private static final String COMMAND = "info ramblock";
    private static final String MONITOR = "human-monitor-command";
    private static final Pattern HEADING =
            Pattern.compile("\\s*Block Name\\s+PSize\\s+Offset\\s+Used\\s+Total\\s+HVA\\b.*");
    private static final Pattern LINE =
            Pattern.compile(
                    "\\s*(?<name>.*?)\\s+(?<page>[0-9.]+ [KMGTPE]?i?B)\\s+0x[0-9a-f]+"
                            + "\\s+0x(?<used>[0-9a-f]{1,16})\\s+0x[0-9a-f]+"
                            + "\\s+0x(?<host>[0-9a-f]{1,16})\\b.*");

    /** One block. {@code usedBytes} can change when the guest starts again. */
    record Line(String name, long usedBytes, long hostAddress) {}

    RamBlockTable {
        lines = List.copyOf(lines);
    }

    static RamBlockTable read(QmpClient qmp) throws VmckptException {
        return parse(qmp.humanMonitor(COMMAND));
    }

    /** As {@link #read}, without waiting; {@link #answer} does that. */
    static CompletableFuture<JsonNode> ask(QmpClient qmp) throws VmckptException {
        return qmp.submit(MONITOR, Json.MAPPER.createObjectNode().put("command-line", COMMAND));
    }

    static RamBlockTable answer(
            QmpClient qmp, CompletableFuture<JsonNode> question, Duration timeout)
            throws VmckptException {
        return parse(qmp.await(MONITOR, question, timeout).asText());
    }

    /** Whether this QEMU tells where blocks lie. */
    static boolean isTold(QmpClient qmp) throws VmckptException {
        return hasAddresses(qmp.humanMonitor(COMMAND));
    }

    static boolean hasAddresses(String text) {
        return text.lines().findFirst().filter(it -> HEADING.matcher(it).matches()).isPresent();
    }

    static RamBlockTable parse(String text) throws ProtocolException {
        if (!hasAddresses(text)) {
            throw unexpected("a heading with HVA", text.lines().findFirst().orElse("nothing"));
        }
        List<Line> lines = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (String line : text.lines().skip(1).filter(it -> !it.isBlank()).toList()) {
            Matcher matcher = LINE.matcher(line);
            if (!matcher.matches()) {
                throw unexpected("a RAM block", line);
            }
            // A block without a name is not migrated.
            if (matcher.group("name").isEmpty()) {
                continue;
            }
            lines.add(
                    new Line(
                            matcher.group("name"),
                            Long.parseUnsignedLong(matcher.group("used"), 16),
                            Long.parseUnsignedLong(matcher.group("host"), 16)));
            if (!names.add(lines.getLast().name())) {
                throw unexpected("each RAM block once", line);
            }
        }
        return new RamBlockTable(lines);
    }

    private static ProtocolException unexpected(String expected, String found) {
        return new ProtocolException(
                "info ramblock: expected %s, found: %s".formatted(expected, found.strip()));
    }

    Optional<Line> named(String name) {
        return lines.stream().filter(line -> line.name().equals(name)).findFirst();
    }
}
