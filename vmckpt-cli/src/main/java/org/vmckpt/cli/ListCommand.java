package org.vmckpt.cli;

import java.io.PrintWriter;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.concurrent.Callable;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.CheckpointListing;
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

    @Override
    public Integer call() throws VmckptException {
        CheckpointListing listing = Listings.read(session);
        List<CheckpointListing.Entry> entries = listing.checkpoints();
        String none =
                entries.isEmpty() ? "No checkpoints in " + session.storeDirectory() + "." : "";
        session.printResult(
                Json.MAPPER.valueToTree(listing),
                out -> {
                    if (entries.isEmpty()) {
                        out.println(none);
                    } else {
                        print(entries, out);
                    }
                });
        listing.unreadable().forEach(session::warn);
        return ExitCode.OK.number();
    }

    private static void print(List<CheckpointListing.Entry> entries, PrintWriter out) {
        Table table =
                new Table().row("ID", "CREATED", "GUEST", "MEMORY", "DISKS", "STORED", "NAME");
        for (CheckpointListing.Entry entry : entries) {
            table.row(
                    entry.id().value(),
                    localTime(entry.createdAt()),
                    entry.guest(),
                    HumanSize.format(entry.memoryBytes()),
                    Integer.toString(entry.disks()),
                    entry.storedBytes().map(HumanSize::format).orElse("incomplete"),
                    entry.name().orElse(""));
        }
        table.print(out);
    }

    static String localTime(Instant instant) {
        return LOCAL_TIME.withZone(ZoneId.systemDefault()).format(instant);
    }
}
