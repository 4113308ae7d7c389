package org.vmckpt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.store.Store;

/** What checkpoint and restore say to wrong arguments; with right ones they need a guest. */
class GuestCommandsTest {
    @TempDir private Path folder = Path.of("");
    private String store = "";

    @BeforeEach
    void nameStore() {
        store = folder.resolve("store").toString();
    }

    @ParameterizedTest
    @ValueSource(strings = {"/run/qmp.sock", "qmp:", "libvirt:", "../vm1"})
    void guestThatIsNotNamedByItsSocketIsAUsageError(String guest) {
        assertThat(CommandRun.of("checkpoint", guest).endsWith(ExitCode.USAGE).err())
                .contains("qmp:/path/to/socket")
                .doesNotContain("\tat ");
    }

    @Test
    void nameWithoutAnAgentIsNotFoundAndSaysWhatToDo() {
        assertThat(
                        CommandRun.of("checkpoint", "vm1", "--agent", "none", "--store", store)
                                .endsWith(ExitCode.NOT_FOUND)
                                .err())
                .contains("start the agent", "qmp:/path/to/socket");
        assertThat(
                        CommandRun.of("list", "--agent", folder.resolve("none").toString())
                                .endsWith(ExitCode.TRANSPORT)
                                .err())
                .contains("nobody answers");
    }

    @Test
    void missingSocketIsNotFound() {
        CommandRun run =
                CommandRun.of("checkpoint", "qmp:" + folder.resolve("missing"), "--store", store);

        assertThat(run.endsWith(ExitCode.NOT_FOUND).err())
                .contains(folder.resolve("missing").toString())
                .doesNotContain("\tat ");
    }

    @Test
    void socketOfAnotherProgramIsUnsupportedAndIsNamed() throws Exception {
        Path socket = folder.resolve("other.sock");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket));

            CommandRun run = CommandRun.of("checkpoint", "qmp:" + socket, "--store", store);

            assertThat(run.exitCode()).isGreaterThan(ExitCode.USAGE.number());
            assertThat(run.err()).contains(socket.toString()).doesNotContain("\tat ");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--cow-budget=lots",
                "--drain-timeout=5",
                "--engine=magic",
                "--disk-io=magic",
                "--name"
            })
    void badOptionOfCheckpointIsAUsageErrorThatSaysWhatIsExpected(String option) {
        CommandRun run = CommandRun.of("checkpoint", "qmp:/x", option).endsWith(ExitCode.USAGE);

        assertThat(run.err())
                .containsAnyOf("expected", "Missing required parameter")
                .doesNotContain("\tat ");
    }

    @Test
    void restoreWantsAQmpSocketAndAFolderForDisks() {
        assertThat(CommandRun.of("restore", "latest").endsWith(ExitCode.USAGE).err())
                .contains("--disks");
        String disks = folder.resolve("disks").toString();
        assertThat(
                        CommandRun.of("restore", "latest", "--disks", disks)
                                .endsWith(ExitCode.USAGE)
                                .err())
                .contains("--qmp", "--libvirt");
    }

    @Test
    void optionsOfDomainsAndOfOtherGuestsDoNotMix() throws Exception {
        String disks = folder.resolve("disks").toString();
        for (String option : List.of("--as=x", "--new-identity")) {
            CommandRun.of("restore", "latest", "--disks", disks, "--qmp", "/x", option)
                    .endsWith(ExitCode.USAGE);
        }
        CommandRun.of("restore", "latest", "--disks", disks, "--libvirt", "--qmp", "/x")
                .endsWith(ExitCode.USAGE);
        CommandRun.of("restore", "latest", "--disks", disks, "--libvirt", "--serve-disks")
                .endsWith(ExitCode.USAGE);
        Store.openOrCreate(Path.of(store)).close();
        for (String option : List.of("--no-checkpoint", "--serve-disks", "--qemu=/x")) {
            CommandRun.of("rollback", "libvirt:vm1", "latest", "--store", store, option)
                    .endsWith(ExitCode.USAGE);
        }
        CommandRun.of("export", "latest", "-", "--format", "libvirt-save").endsWith(ExitCode.USAGE);
        CommandRun.of("export", "latest", "file", "--format", "other").endsWith(ExitCode.USAGE);
    }

    @Test
    void restoreOfAnUnknownCheckpointCreatesNothing() throws Exception {
        StoreFixture.checkpoint(Path.of(store), "one", 1);
        Path disks = folder.resolve("disks");
        Path qmp = folder.resolve("qmp.sock");

        CommandRun.of(
                        "restore",
                        "nonesuch",
                        "--qmp",
                        qmp.toString(),
                        "--disks",
                        disks.toString(),
                        "--store",
                        store)
                .endsWith(ExitCode.NOT_FOUND);

        assertThat(disks).doesNotExist();
        assertThat(qmp).doesNotExist();
    }

    @Test
    void restoreOntoAFolderWithFilesIsAConflictAndLeavesThemAlone() throws Exception {
        StoreFixture.checkpoint(Path.of(store), "one", 1);
        Path disks = Files.createDirectory(folder.resolve("disks"));
        Path precious = Files.writeString(disks.resolve("precious"), "precious");

        CommandRun run =
                CommandRun.of(
                        "restore",
                        "one",
                        "--qmp",
                        folder.resolve("qmp.sock").toString(),
                        "--disks",
                        disks.toString(),
                        "--store",
                        store,
                        "--json");

        assertThat(run.endsWith(ExitCode.CONFLICT).json().at("/error/message").asText())
                .contains(disks.toString());
        assertThat(precious).hasContent("precious");
    }

    @Test
    void mappingWithoutAnEqualsSignIsAUsageError() {
        CommandRun.of("restore", "x", "--qmp", "/q", "--disks", "/d", "--map", "/srv")
                .endsWith(ExitCode.USAGE);
    }
}
