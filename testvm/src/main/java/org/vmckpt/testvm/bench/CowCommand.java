package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.VmckptException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Runs {@link CowSuite}. */
@Command(
        name = "cow",
        mixinStandardHelpOptions = true,
        description = {
            "What a checkpoint costs a guest that writes its memory at several rates, beside QEMU's"
                + " background-snapshot and stop-and-migrate, in turn on the same guests; and what"
                + " one costs that holds only what changed.",
            "The runs go to standard error, the table to standard output."
        })
final class CowCommand implements Callable<Integer> {
    @Mixin private SuiteOptions options = new SuiteOptions();

    @Option(
            names = "--html",
            paramLabel = "FILE",
            description = "also write a report with charts there; it needs no other file")
    private @Nullable Path html;

    @Option(
            names = "--load",
            paramLabel = "LOAD",
            split = ",",
            description =
                    "of idle, slow, fast, random, disks; default: all but disks. Without idle the"
                            + " incremental checkpoints are left out")
    private List<CowLoad> loads = List.of(CowLoad.IDLE, CowLoad.SLOW, CowLoad.FAST, CowLoad.RANDOM);

    @Option(
            names = "--no-peers",
            description = "vmckpt alone: what it costs by size and load, in much less time")
    private boolean noPeers;

    @Override
    public Integer call() throws VmckptException, IOException, InterruptedException {
        options.check();
        options.requireWritable("--html", html);
        CowResults results =
                new CowSuite(options.memoryBytes(), loads, options.rounds(), !noPeers, System.err)
                        .run();
        options.write(results.report("cow"));
        System.out.println("targets (medians of " + options.rounds() + " rounds):");
        for (CowTargets.Target target : CowTargets.judge(results, options.rounds())) {
            System.out.println("  " + target);
        }
        if (html != null) {
            Files.writeString(html, CowHtml.render(results, options.rounds()));
        }
        return 0;
    }
}
