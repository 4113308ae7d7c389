package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.VmckptException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Runs {@link PauseSuite}. */
@Command(
        name = "pause",
        mixinStandardHelpOptions = true,
        description = {
            "What it costs a guest to be saved: vmckpt, QEMU's background-snapshot to a drained"
                    + " socket, and stop-and-migrate to a file, in turn on the same guests.",
            "The runs go to standard error, the table to standard output."
        })
final class PauseCommand implements Callable<Integer> {
    private static final long MIB = 1L << 20;

    @Spec private @Nullable CommandSpec spec;

    @Option(names = "--big", description = "also a guest of 8 GiB")
    private boolean big;

    @Option(names = "--rounds", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private int rounds = 10;

    @Option(
            names = "--memory",
            paramLabel = "MIB",
            split = ",",
            description = "other guest sizes than 512 and 2048 MiB")
    private List<Long> memoryMib = List.of(512L, 2048L);

    @Option(names = "--no-peers", description = "vmckpt alone, to look at its own parts")
    private boolean noPeers;

    @Option(names = "--json", paramLabel = "FILE", description = "also write the rows there")
    private @Nullable Path json;

    @Override
    public Integer call() throws VmckptException, IOException, InterruptedException {
        checkOptions();
        BenchReport report = new PauseSuite(kinds(), rounds, !noPeers, System.err).run();
        System.out.print(report.toTable());
        if (json != null) {
            Files.writeString(json, report.toJson());
        }
        return 0;
    }

    /** Before anything runs for minutes. */
    private void checkOptions() {
        if (rounds < 1) {
            throw refused("--rounds must be at least 1, not " + rounds);
        }
        if (json != null) {
            Path folder = json.toAbsolutePath().getParent();
            if (folder == null || !Files.isWritable(folder) || Files.isDirectory(json)) {
                throw refused("--json: cannot write " + json);
            }
        }
    }

    private ParameterException refused(String problem) {
        if (spec == null) {
            throw new IllegalStateException("picocli did not set the command's model");
        }
        return new ParameterException(spec.commandLine(), problem);
    }

    private List<GuestKind> kinds() {
        List<Long> sizes = new ArrayList<>(memoryMib);
        if (big) {
            sizes.add(8192L);
        }
        List<GuestKind> kinds = new ArrayList<>();
        for (long mib : sizes) {
            kinds.add(new GuestKind(mib * MIB, false));
            kinds.add(new GuestKind(mib * MIB, true));
        }
        return kinds;
    }
}
