package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.VmckptException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Runs {@link VolumeSuite}. */
@Command(
        name = "volume",
        mixinStandardHelpOptions = true,
        description = {
            "How fast a volume is served, beside qemu-nbd with the same qcow2 files, through fio's"
                    + " nbd engine: 4 KiB at random and 1 MiB in sequence, at depth 1 and 32, on"
                    + " chains of 1 and 8.",
            "The runs go to standard error, the table to standard output."
        })
final class VolumeCommand implements Callable<Integer> {
    @Option(
            names = "--rounds",
            paramLabel = "N",
            description = "how often each is measured; default: ${DEFAULT-VALUE}")
    private int rounds = 3;

    @Option(
            names = "--seconds",
            paramLabel = "N",
            description = "how long each is measured; default: ${DEFAULT-VALUE}")
    private int seconds = 2;

    @Option(
            names = "--forks",
            paramLabel = "N",
            description = "how many forks are measured under load; default: ${DEFAULT-VALUE}")
    private int forks = 200;

    @Option(names = "--json", paramLabel = "FILE", description = "also write the rows there")
    private @Nullable Path json;

    @Override
    public Integer call() throws IOException, InterruptedException, VmckptException {
        Path folder = Files.createTempDirectory("volume");
        BenchReport report = new VolumeSuite(folder, rounds, seconds, forks, System.err).run();
        System.out.print(report.toTable());
        if (json != null) {
            Files.writeString(json, report.toJson());
        }
        return 0;
    }
}
