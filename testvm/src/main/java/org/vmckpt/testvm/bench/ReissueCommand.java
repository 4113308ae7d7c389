package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.VmckptException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Runs {@link ReissueSuite}. */
@Command(
        name = "reissue",
        mixinStandardHelpOptions = true,
        description = {
            "How long a guest stands still that is saved while requests of its volume are pending:"
                    + " with --disk-io reissue and --disk-io drain in turn, on volumes that take 1,"
                    + " 20 and 400 ms a request.",
            "The runs go to standard error, the table to standard output."
        })
final class ReissueCommand implements Callable<Integer> {
    @Option(
            names = "--rounds",
            paramLabel = "N",
            description = "how often each is measured; default: ${DEFAULT-VALUE}")
    private int rounds = CowTargets.ROUNDS;

    @Option(names = "--json", paramLabel = "FILE", description = "also write the rows there")
    private @Nullable Path json;

    @Override
    public Integer call() throws VmckptException, IOException, InterruptedException {
        Map<Long, Samples> measured = new ReissueSuite(rounds, System.err).run();
        BenchReport report = ReissueSuite.report(measured);
        System.out.print(report.toTable());
        System.out.println("targets (medians of " + rounds + " rounds):");
        ReissueTargets.judge(measured, rounds).forEach(it -> System.out.println("  " + it));
        if (json != null) {
            Files.writeString(json, report.toJson());
        }
        return 0;
    }
}
