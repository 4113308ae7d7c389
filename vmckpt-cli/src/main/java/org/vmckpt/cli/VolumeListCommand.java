package org.vmckpt.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.volume.VolumeFolder;
import org.vmckpt.cow.volume.VolumeInfo;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Lists the volumes of a folder. */
@Command(
        name = "list",
        header = "List the volumes in a folder.",
        footerHeading = "%nExamples:%n",
        footer = "  vmckpt volume list /srv")
final class VolumeListCommand implements Callable<Integer> {
    private final Session session;

    @Parameters(paramLabel = "DIR", description = "The folder that holds the volumes' folders.")
    private Path folder = Path.of("");

    VolumeListCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        List<VolumeInfo> volumes = new ArrayList<>();
        for (Path candidate : candidates()) {
            if (Files.exists(candidate.resolve("volume.json"))) {
                volumes.add(VolumeInfo.of(VolumeFolder.of(candidate)));
            }
        }
        session.printResult(
                Map.of("volumes", volumes),
                out -> {
                    if (volumes.isEmpty()) {
                        out.println("No volumes in " + folder + ".");
                        return;
                    }
                    Table table =
                            new Table().row("VOLUME", "SIZE", "LAYERS", "ON DISK", "SERVED BY");
                    volumes.forEach(volume -> addRow(volume, table));
                    table.print(out);
                });
        return ExitCode.OK.number();
    }

    private List<Path> candidates() throws StorageException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(Files::isDirectory).sorted().toList();
        } catch (IOException e) {
            throw new StorageException("listing " + folder + ": " + e, e);
        }
    }

    private static void addRow(VolumeInfo volume, Table table) {
        long onDisk = volume.layers().stream().mapToLong(VolumeInfo.LayerInfo::fileBytes).sum();
        table.row(
                volume.name(),
                HumanSize.format(volume.sizeBytes()),
                Integer.toString(volume.layers().size()),
                HumanSize.format(onDisk),
                volume.servedBy().map(it -> "process " + it.pid()).orElse("-"));
    }
}
