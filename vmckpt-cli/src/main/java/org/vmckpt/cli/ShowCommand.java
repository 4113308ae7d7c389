package org.vmckpt.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.DiskState;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Shows all that is known of one checkpoint. */
@Command(
        name = "show",
        header = "Show one checkpoint.",
        description = {
            "%nShows the guest, its memory and disks, and what was measured while the checkpoint"
                    + " was taken. With --json, the whole manifest.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  vmckpt show latest", "  vmckpt show before-upgrade --json"})
final class ShowCommand implements Callable<Integer> {
    private final Session session;

    @Parameters(paramLabel = "CKPT", description = CheckpointReference.DESCRIPTION)
    private String reference = "";

    ShowCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        try (Store store = session.openStore()) {
            Manifest manifest = store.find(reference);
            long storedBytes = store.storedBytes(manifest);
            ObjectNode json = Json.MAPPER.valueToTree(manifest);
            json.put("memoryBytes", manifest.memoryBytes());
            json.put("storedBytes", storedBytes);
            session.printResult(json, out -> print(manifest, storedBytes, out));
        }
        return ExitCode.OK.number();
    }

    private static void print(Manifest manifest, long storedBytes, PrintWriter out) {
        GuestDefinition guest = manifest.guest();
        Table table =
                new Table()
                        .row("Checkpoint", manifest.id().value())
                        .row("Name", manifest.name().orElse("-"))
                        .row("Series", manifest.series().orElse("-"))
                        .row("Created", ListCommand.localTime(manifest.createdAt()))
                        .row("Engine", manifest.engine())
                        .row("Stored", HumanSize.format(storedBytes))
                        .row("Guest", guest.name() + (guest.running() ? "" : " (was paused)"))
                        .row("QEMU", guest.qemuVersion() + ", " + guest.accelerator())
                        .row("Machine", guest.machineType() + ", " + guest.vcpuCount() + " vCPU")
                        .row("Devices", HumanSize.format(manifest.devices().sizeBytes()));
        for (MemoryBlock block : manifest.memory()) {
            table.row("Memory", describe(block));
        }
        for (DiskState disk : manifest.disks()) {
            table.row("Disk", describe(disk));
        }
        table.print(out);
        if (!manifest.statistics().isEmpty()) {
            out.println();
            Statistics.table(manifest.statistics()).print(out);
        }
    }

    private static String describe(MemoryBlock block) {
        return String.format(
                "%s  %s, %d layers",
                HumanSize.format(block.sizeBytes()), block.id(), block.layers().size());
    }

    private static String describe(DiskState disk) {
        return String.format(
                "%s  %s, %s at %s, %d layers",
                HumanSize.format(disk.virtualSizeBytes()),
                disk.device(),
                disk.format(),
                disk.argumentPath(),
                disk.layers().size());
    }
}
