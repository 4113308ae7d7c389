package org.vmckpt.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.volume.Replay;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Applies COW files to a copy of the disk below them. */
@Command(
        name = "replay",
        header = "Apply COW files to a copy of the disk that they were made on.",
        description = {
            "%nOn a second host that has a copy of the disk, the frozen files of a volume bring it"
                    + " up to date: each file's data and zeros are written to the copy, oldest file"
                    + " first. A file that is damaged, or does not lie on the one before it, is"
                    + " refused before anything is written. The checksum tells that both are"
                    + " equal.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  # hostA",
            "  vmckpt volume show /srv/vm1 --checksum --layer layer-2.qcow2",
            "  # hostB",
            "  vmckpt volume replay /srv/copy.qcow2 layer-1.qcow2 layer-2.qcow2 \\",
            "      --expect CHECKSUM"
        })
final class VolumeReplayCommand implements Callable<Integer> {
    private final Session session;

    @Parameters(index = "0", paramLabel = "COPY", description = "A qcow2 or raw file.")
    private Path target = Path.of("");

    @Parameters(
            index = "1..*",
            arity = "1..*",
            paramLabel = "FILE",
            description = "The COW files, oldest first.")
    private List<Path> layers = List.of();

    @Option(
            names = "--format",
            paramLabel = "FORMAT",
            description = {
                "Of the copy, qcow2 or raw. Needed if it lies on another file; else its first bytes"
                        + " tell."
            })
    private @Nullable DiskFormat format;

    @Option(
            names = "--expect",
            paramLabel = "CHECKSUM",
            description = "Fail unless this comes out.")
    private @Nullable String expected;

    @Option(
            names = "--onto",
            paramLabel = "CHECKSUM",
            description = {
                "Refuse, and change nothing, unless the copy has this checksum before, as an"
                        + " earlier replay or 'volume show' has told it."
            })
    private @Nullable String before;

    VolumeReplayCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        Replay.Report report =
                Replay.apply(
                        target,
                        Optional.ofNullable(format).map(Enum::name),
                        layers,
                        Optional.ofNullable(before));
        session.printResult(
                report,
                out ->
                        out.printf(
                                "Applied %d files with %s of data.%nChecksum %s%n",
                                report.layers(),
                                HumanSize.format(report.copiedBytes()),
                                report.checksum()));
        if (expected != null && !expected.equals(report.checksum())) {
            throw new CorruptException(
                    "replaying onto "
                            + target
                            + ": the checksum is "
                            + report.checksum()
                            + ", expected "
                            + expected
                            + "; begin again with a good copy of the base and all COW files");
        }
        return ExitCode.OK.number();
    }
}
