package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that all suites have. */
final class SuiteOptions {
    private static final long MIB = 1L << 20;
    private static final long BIG_MIB = 8192;

    @Spec(Spec.Target.MIXEE)
    private @Nullable CommandSpec spec;

    @Option(names = "--big", description = "also a guest of 8 GiB")
    private boolean big;

    @Option(
            names = "--rounds",
            paramLabel = "N",
            description = "how often each is measured; default: ${DEFAULT-VALUE}")
    private int rounds = 10;

    @Option(
            names = "--memory",
            paramLabel = "MIB",
            split = ",",
            description = "other guest sizes than 512 and 2048 MiB")
    private List<Long> memoryMib = List.of(512L, 2048L);

    @Option(names = "--json", paramLabel = "FILE", description = "also write the rows there")
    private @Nullable Path json;

    int rounds() {
        return rounds;
    }

    /** Sizes of guest memory. */
    List<Long> memoryBytes() {
        List<Long> sizes = new ArrayList<>(memoryMib);
        if (big) {
            sizes.add(BIG_MIB);
        }
        return sizes.stream().map(mib -> mib * MIB).toList();
    }

    /** Before anything runs for minutes. */
    void check() {
        if (rounds < 1) {
            throw refused("--rounds must be at least 1, not " + rounds);
        }
        requireWritable("--json", json);
    }

    void requireWritable(String option, @Nullable Path file) {
        if (file == null) {
            return;
        }
        Path folder = file.toAbsolutePath().getParent();
        if (folder == null || !Files.isWritable(folder) || Files.isDirectory(file)) {
            throw refused(option + ": cannot write " + file);
        }
    }

    private ParameterException refused(String problem) {
        if (spec == null) {
            throw new IllegalStateException("picocli did not set the command's model");
        }
        return new ParameterException(spec.commandLine(), problem);
    }

    void write(BenchReport report) throws IOException {
        System.out.print(report.toTable());
        if (json != null) {
            Files.writeString(json, report.toJson());
        }
    }
}
