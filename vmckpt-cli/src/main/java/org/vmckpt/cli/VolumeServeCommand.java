package org.vmckpt.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.Cancellation;
import org.vmckpt.cow.serving.ServerMain;
import org.vmckpt.cow.serving.VolumeServer;
import org.vmckpt.cow.volume.VolumeFolder;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Serves volumes until it is told to end. */
@Command(
        name = "serve",
        header = "Serve volumes to QEMU over NBD.",
        description = {
            "%nServes until Ctrl-C or SIGTERM. Each volume is an export of its name. When it is"
                    + " started again after a crash, QEMU goes on with it if it was given"
                    + " reconnect-delay.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = "  vmckpt volume serve /srv/vm1 /srv/vm2 --socket /run/volumes.nbd")
final class VolumeServeCommand implements Callable<Integer> {
    private static final long NAP_MILLIS = 100;

    private final Session session;

    @Parameters(paramLabel = "VOLUME", arity = "1..*", description = "The volumes' folders.")
    private List<Path> folders = List.of();

    @Option(
            names = "--socket",
            required = true,
            paramLabel = "PATH",
            description = "The Unix socket to listen on.")
    private Path socket = Path.of("");

    @Option(
            names = "--control",
            paramLabel = "PATH",
            description = "The socket for commands. Default: the other one with .control appended.")
    private @Nullable Path control;

    @Option(names = "--read-only", description = "Refuse every change.")
    private boolean readOnly;

    @Option(
            names = "--pid",
            paramLabel = "PID",
            description = "End when this process has ended, for example the QEMU that is served.")
    private @Nullable Long process;

    VolumeServeCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        List<VolumeFolder> volumes = new ArrayList<>();
        for (Path folder : folders) {
            volumes.add(VolumeFolder.of(folder));
        }
        ServerMain.putCompilerBehind();
        Path commands = control == null ? VolumeServer.controlSocketOf(socket) : control;
        try (SignalCancellation signals = SignalCancellation.install();
                VolumeServer server = VolumeServer.start(volumes, socket, commands, readOnly)) {
            if (process != null) {
                server.endWith(process);
            }
            session.printResult(
                    Map.of("socket", socket.toString(), "control", commands.toString()),
                    out -> out.printf("Serving %d volumes on %s.%n", volumes.size(), socket));
            awaitEnd(server, signals.cancellation());
            signals.done();
        }
        return ExitCode.OK.number();
    }

    private static void awaitEnd(VolumeServer server, Cancellation cancellation) {
        try {
            while (!cancellation.isRequested() && !server.isOver()) {
                Thread.sleep(NAP_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
