package org.vmckpt.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.restore.RestoreReport;
import org.vmckpt.cow.restore.RestoreRequest;
import org.vmckpt.cow.restore.RestoreService;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Brings a checkpoint back as a new guest. */
@Command(
        name = "restore",
        header = "Bring a checkpoint back as a new guest.",
        description = {
            "%nStarts QEMU as it was started when the checkpoint was taken, fills its memory, gives"
                + " it the checkpointed disks with new overlays over them, and lets it run. A"
                + " checkpoint can be restored many times, also side by side: it is never written"
                + " to.%n",
            "Paths of the old host are mapped. What cannot be mapped is an error before QEMU"
                    + " starts, which says what to give.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  vmckpt restore latest --qmp /run/vm2/qmp.sock --disks /var/lib/vm2",
            "  # with disks that vmckpt serves, so that their requests never lengthen a pause",
            "  vmckpt restore latest --qmp /run/vm2/qmp.sock --disks /srv/vm2 --serve-disks",
            "  # on another host, whose files lie elsewhere and which has no tap0",
            "  vmckpt restore before-upgrade --qmp /run/vm2/qmp.sock --disks /var/lib/vm2 \\",
            "      --map /srv/images=/mnt/images --arg '-netdev user,id=net0'"
        })
final class RestoreCommand implements Callable<Integer> {
    private final Session session;

    @Parameters(paramLabel = "CKPT", description = CheckpointReference.DESCRIPTION)
    private String reference = "";

    @Option(
            names = "--qmp",
            required = true,
            paramLabel = "PATH",
            description = "The new guest's QMP socket; must not exist.")
    private Path qmpPath = Path.of("");

    @Option(
            names = "--disks",
            required = true,
            paramLabel = "DIR",
            description = "A folder for the new guest's disks; must be empty, or not exist.")
    private Path disksDirectory = Path.of("");

    @Option(
            names = "--map",
            paramLabel = "OLD=NEW",
            description = {
                "A file or folder of the checkpoint's host, and where it is on this one. May be"
                        + " given several times; the longest match wins."
            })
    private Map<Path, Path> maps = new LinkedHashMap<>();

    @Option(
            names = "--arg",
            paramLabel = "ARG",
            description = {
                "A QEMU option that replaces the recorded one or joins the others, for example"
                        + " --arg '-netdev user,id=net0'. May be given several times."
            })
    private List<String> arguments = List.of();

    @Option(names = "--paused", description = "Leave the guest stopped; QMP's cont starts it.")
    private boolean paused;

    @Option(
            names = "--serve-disks",
            description = {
                "Make the disks volumes, and have vmckpt serve them to the new guest over NBD, in a"
                    + " process that ends with its QEMU. Checkpoints of the guest then need not"
                    + " wait for its requests (--disk-io reissue). By default they are files that"
                    + " QEMU opens itself."
            })
    private boolean serveDisks;

    @Option(
            names = "--qemu",
            paramLabel = "BINARY",
            description = "The QEMU to start, in place of the recorded one.")
    private @Nullable Path qemuBinary;

    @Mixin private HookOptions hooks = new HookOptions();

    RestoreCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        try (Store store = session.openStore()) {
            RestoreReport report = restore(store);
            session.printResult(
                    RestoreReportText.json(report), out -> RestoreReportText.print(report, out));
        }
        return ExitCode.OK.number();
    }

    private RestoreReport restore(Store store) throws VmckptException {
        RestoreRequest request =
                new RestoreRequest(
                        store,
                        store.find(reference),
                        qmpPath,
                        disksDirectory,
                        maps,
                        arguments,
                        paused,
                        serveDisks,
                        Optional.ofNullable(qemuBinary),
                        RestoreRequest.DEFAULT_TIMEOUT);
        try (ProgressDisplay progress = session.progress()) {
            return new RestoreService().restore(request, hooks.hooks(), progress);
        }
    }
}
