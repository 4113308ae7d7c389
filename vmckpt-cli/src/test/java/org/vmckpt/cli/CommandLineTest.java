package org.vmckpt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Collection;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

class CommandLineTest {
    static Collection<String> commands() {
        return Vmckpt.commandLine(Streams.ofProcess()).getSubcommands().keySet();
    }

    @Test
    void topHelpListsEveryCommandAndEveryExitCode() {
        CommandRun run = CommandRun.of("--help").succeeds();

        assertThat(run.out()).contains(commands());
        for (ExitCode code : ExitCode.values()) {
            assertThat(run.out()).containsPattern("(?m)^ *" + code.number() + " +\\S");
        }
        assertThat(run.err()).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("commands")
    void helpOfACommandTeachesWithAnExampleAndOffersTheGlobalOptions(String command) {
        CommandRun run = CommandRun.of(command, "--help").succeeds();

        assertThat(run.out())
                .contains("Examples:", "vmckpt " + command, "--json", "--store=DIR", "--debug");
        assertThat(run.out().lines()).allMatch(line -> line.length() <= 80);
    }

    @ParameterizedTest
    @MethodSource("commands")
    void unknownOptionIsAUsageErrorWithoutAStackTrace(String command) {
        CommandRun run = CommandRun.of(command, "--bogus").endsWith(ExitCode.USAGE);

        assertThat(run.out()).isEmpty();
        assertThat(run.err()).startsWith("vmckpt: ").contains("--help").doesNotContain("\tat ");
    }

    @ParameterizedTest
    @MethodSource("commands")
    void unknownOptionWithJsonIsOneJsonObjectOnStandardOutput(String command) {
        CommandRun run = CommandRun.of(command, "--bogus", "--json").endsWith(ExitCode.USAGE);

        assertThat(run.json().at("/error/kind").asText()).isEqualTo("usage");
        assertThat(run.json().at("/error/exitCode").asInt()).isEqualTo(ExitCode.USAGE.number());
        assertThat(run.json().at("/error/message").asText()).isNotEmpty();
        assertThat(run.err()).isEmpty();
    }

    @Test
    void noCommandIsAUsageError() {
        assertThat(CommandRun.of().endsWith(ExitCode.USAGE).err()).contains("which command?");
    }

    @Test
    void unknownCommandSuggestsTheRightOne() {
        assertThat(CommandRun.of("lisst").endsWith(ExitCode.USAGE).err()).contains("vmckpt list");
    }

    @Test
    void versionIsPrinted() {
        assertThat(CommandRun.of("--version").succeeds().out()).startsWith("vmckpt ");
    }

    @Test
    void exportAndImportRefuseATerminal() {
        assertThat(CommandRun.onTerminal("export", "x", "-").endsWith(ExitCode.REFUSED).err())
                .contains("terminal");
        assertThat(CommandRun.onTerminal("import", "-").endsWith(ExitCode.REFUSED).err())
                .contains("terminal");
    }

    @Test
    void verifyWantsCheckpointsOrAllButNotBoth() {
        CommandRun.of("verify").endsWith(ExitCode.USAGE);
        CommandRun.of("verify", "x", "--all").endsWith(ExitCode.USAGE);
    }

    @Test
    void everyCommandOfTheModelHasASummary() {
        for (CommandLine child :
                Vmckpt.commandLine(Streams.ofProcess()).getSubcommands().values()) {
            CommandSpec command = child.getCommandSpec();
            assertThat(command.usageMessage().header()).as(command.name()).isNotEmpty();
        }
    }
}
