package org.vmckpt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

class VolumeCommandsTest {
    @TempDir private Path folder;

    static Collection<String> commands() {
        CommandLine top = Vmckpt.commandLine(Streams.ofProcess());
        return Objects.requireNonNull(top.getSubcommands().get("volume")).getSubcommands().keySet();
    }

    private static CommandRun volume(String... arguments) {
        String[] all = new String[arguments.length + 1];
        all[0] = "volume";
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        return CommandRun.of(all);
    }

    @ParameterizedTest
    @MethodSource("commands")
    void helpTeachesWithAnExample(String command) {
        CommandRun run = volume(command, "--help").succeeds();

        assertThat(run.out()).contains("Examples:", "vmckpt volume " + command, "--json");
        assertThat(run.out().lines()).allMatch(line -> line.length() <= 80);
    }

    @Test
    void aVolumeIsMadeForkedCommittedAndReplayed() throws Exception {
        String path = folder.resolve("vm1").toString();
        assertThat(volume("create", path, "--size", "1M").succeeds().out())
                .contains("volume vm1 of 1 MiB");
        assertThat(volume("list", folder.toString()).succeeds().out()).contains("vm1", "1 MiB");
        assertThat(volume("fork", path, "--hold", "b1").succeeds().out()).contains("layer-0.qcow2");
        volume("fork", path).succeeds();
        volume("fork", path).succeeds();
        JsonNode shown = volume("show", path, "--json").succeeds().json();
        assertThat(shown.path("layers")).hasSize(4);
        assertThat(shown.path("layers").path(0).path("heldBy").path(0).asText()).isEqualTo("b1");
        assertThat(volume("commit", path).succeeds().out()).contains("Folded 1 files");
        assertThat(volume("commit", path, "--release", "b1").succeeds().out())
                .contains("Folded 1 files");
        String checksum =
                volume("show", path, "--checksum", "--json")
                        .succeeds()
                        .json()
                        .path("checksum")
                        .asText();
        Path copy = folder.resolve("copy");
        Files.write(copy, new byte[1 << 20]);
        String cowFile = path + "/layer-0.qcow2";
        volume("replay", copy.toString(), cowFile, "--expect", checksum).succeeds();
        volume("replay", copy.toString(), cowFile, "--expect", "00").endsWith(ExitCode.CORRUPT);
        volume("replay", copy.toString(), cowFile, "--onto", "00").endsWith(ExitCode.REFUSED);
        volume("replay", copy.toString(), cowFile, "--onto", checksum).succeeds();
    }

    @Test
    void mistakesHaveTheirExitCodes() {
        String path = folder.resolve("vm1").toString();
        volume().endsWith(ExitCode.USAGE);
        volume("create", path).endsWith(ExitCode.REFUSED);
        volume("create", path, "--size", "1M", "--cluster-size", "3K").endsWith(ExitCode.REFUSED);
        volume("create", path, "--base", "/nowhere").endsWith(ExitCode.NOT_FOUND);
        volume("show", path).endsWith(ExitCode.NOT_FOUND);
        volume("serve", path, "--socket", "/tmp/s").endsWith(ExitCode.NOT_FOUND);
        volume("create", path, "--size", "1M").succeeds();
        volume("create", path, "--size", "1M").endsWith(ExitCode.CONFLICT);
        volume("show", path, "--checksum", "--layer", "x").endsWith(ExitCode.NOT_FOUND);
    }
}
