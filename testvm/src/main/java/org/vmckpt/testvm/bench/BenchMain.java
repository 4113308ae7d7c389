package org.vmckpt.testvm.bench;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Measures; one command for each suite. */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        description = "Measures vmckpt beside its peers on real guests. Needs root.",
        subcommands = {
            PauseCommand.class,
            CowCommand.class,
            VolumeCommand.class,
            ReissueCommand.class,
            LibvirtCommand.class
        },
        synopsisSubcommandLabel = "SUITE")
public final class BenchMain {
    private BenchMain() {}

    /** Exits with 0 when all was measured, 2 when the arguments are wrong, 1 when it failed. */
    public static void main(String[] arguments) {
        System.exit(
                new CommandLine(new BenchMain())
                        .setCaseInsensitiveEnumValuesAllowed(true)
                        .execute(arguments));
    }
}
