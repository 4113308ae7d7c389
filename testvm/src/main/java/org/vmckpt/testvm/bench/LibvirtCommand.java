package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import org.vmckpt.core.VmckptException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Runs {@link LibvirtSuite}. */
@Command(
        name = "libvirt",
        mixinStandardHelpOptions = true,
        description = {
            "What a checkpoint costs a domain of libvirt, beside virsh snapshot-create-as --live"
                + " --memspec and virsh save with restore, in turn on the same domain of a libvirtd"
                + " that this starts.",
            "The runs go to standard error, the table to standard output."
        })
final class LibvirtCommand implements Callable<Integer> {
    @Mixin private SuiteOptions options = new SuiteOptions();

    @Option(
            names = "--load",
            paramLabel = "LOAD",
            split = ",",
            description =
                    "of idle, slow, fast, random, disks; default: idle, random and disks, which is"
                            + " memory and disks flat out")
    private List<CowLoad> loads = List.of(CowLoad.IDLE, CowLoad.RANDOM, CowLoad.DISKS);

    @Override
    public Integer call() throws VmckptException, IOException, InterruptedException {
        options.check();
        CowResults results =
                new LibvirtSuite(options.memoryBytes(), loads, options.rounds(), System.err).run();
        options.write(results.report("libvirt"));
        System.out.println("targets (medians of " + options.rounds() + " rounds):");
        LibvirtTargets.judge(results, options.rounds())
                .forEach(target -> System.out.println("  " + target));
        return 0;
    }
}
