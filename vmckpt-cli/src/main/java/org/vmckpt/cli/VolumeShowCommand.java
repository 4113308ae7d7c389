package org.vmckpt.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.volume.VolumeFolder;
import org.vmckpt.cow.volume.VolumeInfo;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Shows one volume. */
@Command(
        name = "show",
        header = "Show one volume.",
        description = {
            "%nWith --checksum also a number that tells what the disk reads as, however its files"
                    + " are made: 'vmckpt volume replay' on another host prints the same.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  vmckpt volume show /srv/vm1",
            "  vmckpt volume show /srv/vm1 --checksum --layer layer-3.qcow2"
        })
final class VolumeShowCommand implements Callable<Integer> {
    private final Session session;

    @Parameters(paramLabel = "VOLUME", description = "The volume's folder.")
    private Path folder = Path.of("");

    @Option(names = "--checksum", description = "Read all of it and print its checksum.")
    private boolean checksum;

    @Option(
            names = "--layer",
            paramLabel = "FILE",
            description = "With --checksum: as the disk was when this layer was frozen.")
    private @Nullable String layer;

    VolumeShowCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        VolumeFolder volume = VolumeFolder.of(folder);
        VolumeInfo info = VolumeInfo.of(volume);
        ObjectNode json = Json.MAPPER.valueToTree(info);
        Optional<String> sum =
                checksum
                        ? Optional.of(VolumeInfo.checksum(volume, Optional.ofNullable(layer)))
                        : Optional.empty();
        sum.ifPresent(it -> json.put("checksum", it));
        session.printResult(json, out -> print(info, sum, out));
        return ExitCode.OK.number();
    }

    private static void print(VolumeInfo info, Optional<String> checksum, PrintWriter out) {
        Table table =
                new Table()
                        .row("Volume", info.name())
                        .row("Folder", info.folder().toString())
                        .row("Size", HumanSize.format(info.sizeBytes()))
                        .row(
                                "Served by",
                                info.servedBy().map(it -> "process " + it.pid()).orElse("-"));
        for (VolumeInfo.LayerInfo layer : info.layers()) {
            String held =
                    layer.heldBy().isEmpty()
                            ? ""
                            : ", held by " + String.join(", ", layer.heldBy());
            table.row("Layer", HumanSize.format(layer.fileBytes()) + "  " + layer.file() + held);
        }
        checksum.ifPresent(it -> table.row("Checksum", it));
        table.print(out);
    }
}
