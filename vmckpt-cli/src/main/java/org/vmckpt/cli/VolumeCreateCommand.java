package org.vmckpt.cli;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.volume.VolumeCreator;
import org.vmckpt.cow.volume.VolumeFolder;
import org.vmckpt.cow.volume.VolumeInfo;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Makes a volume. */
@Command(
        name = "create",
        header = "Make a volume in a new folder.",
        description = "%nThe volume is called after its folder.%n",
        footerHeading = "%nExamples:%n",
        footer = {
            "  vmckpt volume create /srv/vm1 --size 20G",
            "  # on an image that many guests share; it is only ever read",
            "  vmckpt volume create /srv/vm2 --base /srv/debian.qcow2"
        })
final class VolumeCreateCommand implements Callable<Integer> {
    private static final long DEFAULT_CLUSTER_BYTES = 64 << 10;

    private final Session session;

    @Parameters(paramLabel = "VOLUME", description = "The folder to make.")
    private Path folder = Path.of("");

    @Option(
            names = "--size",
            paramLabel = "SIZE",
            converter = SizeOption.class,
            description = "How large the disk is. Default: as large as its base.")
    private @Nullable Long size;

    @Option(
            names = "--base",
            paramLabel = "FILE",
            description = "A qcow2 or raw file with the disk's first content.")
    private @Nullable Path base;

    @Option(
            names = "--base-format",
            paramLabel = "FORMAT",
            description = {
                "qcow2 or raw. Needed for a base that lies on another file; else its first bytes"
                        + " tell."
            })
    private @Nullable DiskFormat baseFormat;

    @Option(
            names = "--cluster-size",
            paramLabel = "SIZE",
            converter = SizeOption.class,
            description = {
                "How much is copied when the guest first writes to a place after a fork; 4K to 2M."
                        + " Default: 64K."
            })
    private long clusterBytes = DEFAULT_CLUSTER_BYTES;

    VolumeCreateCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        VolumeFolder made =
                VolumeCreator.create(
                        folder,
                        Optional.ofNullable(base),
                        Optional.ofNullable(baseFormat).map(Enum::name),
                        size == null ? OptionalLong.empty() : OptionalLong.of(size),
                        clusterBytes);
        VolumeInfo info = VolumeInfo.of(made);
        session.printResult(
                info,
                out ->
                        out.printf(
                                "Made volume %s of %s in %s.%n",
                                info.name(), HumanSize.format(info.sizeBytes()), info.folder()));
        return ExitCode.OK.number();
    }
}
