package org.vmckpt.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.serving.ControlClient;
import org.vmckpt.cow.volume.OpenVolume;
import org.vmckpt.cow.volume.Throttle;
import org.vmckpt.cow.volume.VolumeFolder;
import org.vmckpt.cow.volume.VolumeInfo;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Folds frozen layers of a volume. */
@Command(
        name = "commit",
        header = "Fold the frozen files of a volume into their parents.",
        description = {
            "%nFolds every frozen file that no checkpoint holds, oldest first, while the guest"
                + " writes to the active one. The base that a volume was made on is never written."
                + " What is interrupted, also by a crash, is done by the next commit.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  vmckpt volume commit /srv/vm1", "  vmckpt volume commit /srv/vm1 --rate 50M"})
final class VolumeCommitCommand implements Callable<Integer> {
    private final Session session;

    @Parameters(paramLabel = "VOLUME", description = "The volume's folder.")
    private Path folder = Path.of("");

    @Option(
            names = "--rate",
            paramLabel = "SIZE",
            converter = SizeOption.class,
            description = "How much is copied in a second at most. Default: no limit.")
    private long bytesPerSecond = Long.MAX_VALUE;

    @Option(
            names = "--release",
            paramLabel = "NAME",
            description = "First give up the holds that 'vmckpt volume fork --hold NAME' made.")
    private @Nullable String owner;

    VolumeCommitCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        VolumeFolder volume = VolumeFolder.of(folder);
        release(volume);
        Optional<VolumeFolder.Owner> server = volume.owner();
        int folded = server.isPresent() ? ask(volume, server.get()) : commit(volume);
        VolumeInfo info = VolumeInfo.of(volume);
        session.printResult(
                Map.of("folded", folded, "volume", info),
                out ->
                        out.printf(
                                "Folded %d files; volume %s has %d layers.%n",
                                folded, info.name(), info.layers().size()));
        return ExitCode.OK.number();
    }

    private void release(VolumeFolder volume) throws StorageException {
        if (owner != null) {
            try {
                volume.removeHolds(owner);
            } catch (IOException e) {
                throw new StorageException("removing holds of " + folder + ": " + e, e);
            }
        }
    }

    private int ask(VolumeFolder volume, VolumeFolder.Owner server) throws VmckptException {
        List<String> name = List.of(VolumeInfo.of(volume).name());
        try (ControlClient client = VolumeForkCommand.connect(volume, server)) {
            return client.commit(name, bytesPerSecond);
        }
    }

    private int commit(VolumeFolder volume) throws VmckptException {
        try (OpenVolume open = OpenVolume.open(volume, Optional.empty())) {
            return open.commit(new Throttle(bytesPerSecond));
        }
    }
}
