package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.vmckpt.core.VmckptException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

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
    @Mixin private SuiteOptions options = new SuiteOptions();

    @Option(names = "--no-peers", description = "vmckpt alone, to look at its own parts")
    private boolean noPeers;

    @Override
    public Integer call() throws VmckptException, IOException, InterruptedException {
        options.check();
        options.write(new PauseSuite(kinds(), options.rounds(), !noPeers, System.err).run());
        return 0;
    }

    private List<GuestKind> kinds() {
        List<GuestKind> kinds = new ArrayList<>();
        for (long bytes : options.memoryBytes()) {
            kinds.add(new GuestKind(bytes, false));
            kinds.add(new GuestKind(bytes, true));
        }
        return kinds;
    }
}
