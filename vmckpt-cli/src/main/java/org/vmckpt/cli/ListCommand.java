package org.vmckpt.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import picocli.CommandLine.Command;

/** Lists the checkpoints of a store. */
@Command(
        name = "list",
        header = "List the checkpoints in the store.",
        description = {
            "%nLists the checkpoints, oldest first. STORED counts segments that are shared with"
                    + " other checkpoints in full.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  vmckpt list", "  vmckpt list --json | jq -r '.checkpoints[].id'"})
final class ListCommand implements Callable<Integer> {
    private static final DateTimeFormatter LOCAL_TIME =
            DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss");

    private final Session session;

    ListCommand(Session session) {
        this.session = session;
    }

    /** A checkpoint with the size that it has in this store. */
    private record Line(Manifest manifest, OptionalLong storedBytes) {}

    @Override
    public Integer call() throws VmckptException {
        try (Store store = session.openStore()) {
            List<Line> lines =
                    store.list().stream()
                            .map(manifest -> new Line(manifest, storedBytes(store, manifest)))
                            .toList();
            List<String> unreadable =
                    store.unreadable().stream().map(e -> String.valueOf(e.getMessage())).toList();
            session.printResult(json(lines, unreadable), out -> print(lines, out));
            unreadable.forEach(session::warn);
        }
        return ExitCode.OK.number();
    }

    /** Unknown when a segment is missing, which {@code verify} reports in full. */
    private static OptionalLong storedBytes(Store store, Manifest manifest) {
        try {
            return OptionalLong.of(store.storedBytes(manifest));
        } catch (VmckptException e) {
            return OptionalLong.empty();
        }
    }

    private static ObjectNode json(List<Line> lines, List<String> unreadable) {
        ObjectNode json = Json.MAPPER.createObjectNode();
        ArrayNode checkpoints = json.putArray("checkpoints");
        for (Line line : lines) {
            Manifest manifest = line.manifest();
            ObjectNode entry = checkpoints.addObject();
            entry.put("id", manifest.id().value());
            entry.put("name", manifest.name().orElse(null));
            entry.put("createdAt", manifest.createdAt().toString());
            entry.put("guest", manifest.guest().name());
            entry.put("engine", manifest.engine());
            entry.put("memoryBytes", manifest.memoryBytes());
            entry.put("disks", manifest.disks().size());
            line.storedBytes()
                    .ifPresentOrElse(
                            bytes -> entry.put("storedBytes", bytes),
                            () -> entry.putNull("storedBytes"));
        }
        json.set("unreadable", Json.MAPPER.valueToTree(unreadable));
        return json;
    }

    private void print(List<Line> lines, PrintWriter out) {
        if (lines.isEmpty()) {
            out.println("No checkpoints in " + session.storeDirectory() + ".");
            return;
        }
        Table table =
                new Table().row("ID", "CREATED", "GUEST", "MEMORY", "DISKS", "STORED", "NAME");
        for (Line line : lines) {
            Manifest manifest = line.manifest();
            table.row(
                    manifest.id().value(),
                    localTime(manifest.createdAt()),
                    manifest.guest().name(),
                    HumanSize.format(manifest.memoryBytes()),
                    Integer.toString(manifest.disks().size()),
                    line.storedBytes().isPresent()
                            ? HumanSize.format(line.storedBytes().getAsLong())
                            : "incomplete",
                    manifest.name().orElse(""));
        }
        table.print(out);
    }

    static String localTime(Instant instant) {
        return LOCAL_TIME.withZone(ZoneId.systemDefault()).format(instant);
    }
}
