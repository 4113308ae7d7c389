package org.vmckpt.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.serving.ControlClient;
import org.vmckpt.cow.volume.OpenVolume;
import org.vmckpt.cow.volume.VolumeFolder;
import org.vmckpt.cow.volume.VolumeInfo;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Forks a volume. */
@Command(
        name = "fork",
        header = "Freeze a volume as it is now, and go on in a new file.",
        description = {
            "%nA volume that is served is forked by the process that serves it, while I/O goes on."
                + " The frozen file can be read once the command has ended: what was under way then"
                + " has reached it.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  vmckpt volume fork /srv/vm1",
            "  # keep the frozen file from being folded by 'vmckpt volume commit'",
            "  vmckpt volume fork /srv/vm1 --hold backup-1",
            "  vmckpt volume commit /srv/vm1 --release backup-1"
        })
final class VolumeForkCommand implements Callable<Integer> {
    private static final long SETTLE_MILLIS = 60_000;

    private final Session session;

    @Parameters(paramLabel = "VOLUME", description = "The volume's folder.")
    private Path folder = Path.of("");

    @Option(
            names = "--hold",
            paramLabel = "NAME",
            description = "Who needs the frozen file, and those below, until further notice.")
    private @Nullable String owner;

    VolumeForkCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        VolumeFolder volume = VolumeFolder.of(folder);
        Optional<VolumeFolder.Owner> server = volume.owner();
        JsonNode result = server.isPresent() ? ask(volume, server.get()) : fork(volume);
        session.printResult(
                result,
                out ->
                        out.printf(
                                "Froze %s in %d \u00b5s; writes go to %s.%n",
                                result.path("frozen").asText(),
                                result.path("micros").asLong(),
                                result.path("active").asText()));
        return ExitCode.OK.number();
    }

    private JsonNode ask(VolumeFolder volume, VolumeFolder.Owner server) throws VmckptException {
        String name = VolumeInfo.of(volume).name();
        try (ControlClient client = connect(volume, server)) {
            return client.forkAndSettle(name, Optional.ofNullable(owner), SETTLE_MILLIS);
        }
    }

    /** Reaches the process that has a volume. */
    static ControlClient connect(VolumeFolder volume, VolumeFolder.Owner server)
            throws VmckptException {
        Path control =
                server.control()
                        .orElseThrow(() ->
                                new ConflictException(
                                        "volume "
                                                + volume.path()
                                                + " is in use by process "
                                                + server.pid()
                                                + ", which takes no commands; wait until it"
                                                + " is done"));
        return ControlClient.connect(control);
    }

    private ObjectNode fork(VolumeFolder volume) throws VmckptException {
        try (OpenVolume open = OpenVolume.open(volume, Optional.empty())) {
            open.prepare();
            OpenVolume.ForkResult fork = open.fork(Optional.ofNullable(owner));
            return Json.MAPPER
                    .createObjectNode()
                    .put("volume", open.volume().name())
                    .put("frozen", fork.frozen().toString())
                    .put("active", fork.active().toString())
                    .put("micros", fork.nanos() / 1000);
        }
    }
}
