package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.agent.client.AgentClient;
import org.vmckpt.agent.client.AgentSocket;
import org.vmckpt.core.Json;

/**
 * The Debian package in a Debian with nothing else. It takes minutes, so it runs when it is asked
 * for: {@code scripts/dev it PackageOnDebian}, with a Debian mirror in reach.
 */
@Timeout(900)
final class PackageOnDebian {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final Path RUNTIME = Path.of("/run/vmckpt");
    private static final Path REPOSITORY = Path.of("..").toAbsolutePath().normalize();

    @TempDir Path folder;
    private Path root;
    private boolean shared;

    @BeforeEach
    void unpackDebian() throws Exception {
        root = Files.createDirectory(folder.resolve("r"));
        run("tar", "-xf", debian().toString(), "-C", root.toString());
        run("mount", "-t", "proc", "proc", root.resolve("proc").toString());
    }

    /** QEMU runs outside, and opens sockets and files that vmckpt makes there. */
    private void shareRuntimeFolder() throws Exception {
        Path inside = Files.createDirectories(root.resolve("run/vmckpt"));
        Files.createDirectories(RUNTIME);
        run("mount", "--bind", RUNTIME.toString(), inside.toString());
        shared = true;
    }

    @AfterEach
    void unmount() throws Exception {
        if (shared) {
            run("umount", root.resolve("run/vmckpt").toString());
        }
        run("umount", root.resolve("proc").toString());
    }

    /** Made once, in the cache of the guest's image. */
    private static Path debian() throws Exception {
        Path cache = GuestImage.ensureBuilt().folder().resolve("../..").normalize();
        Path archive = cache.resolve("debian-minbase.tar");
        if (!Files.exists(archive)) {
            Path made = cache.resolve("debian-minbase");
            run("debootstrap", "--variant=minbase", "bookworm", made.toString());
            run("tar", "-cf", archive + ".new", "-C", made.toString(), ".");
            run("rm", "-rf", made.toString());
            Files.move(Path.of(archive + ".new"), archive);
        }
        return archive;
    }

    private static String run(String... command) throws Exception {
        return run(0, command);
    }

    private static String run(int expected, String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as("%s: %s", List.of(command), output).isEqualTo(expected);
        return output;
    }

    private List<String> inside(String... command) {
        List<String> all =
                new ArrayList<>(List.of("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"));
        all.addAll(List.of("chroot", root.toString()));
        all.addAll(List.of(command));
        return all;
    }

    private String runInside(String... command) throws Exception {
        return run(inside(command).toArray(String[]::new));
    }

    @Test
    void itWorksWithNothingElseAndItsRemovalLeavesGuestsAndStoresAlone() throws Exception {
        String built =
                run(REPOSITORY.resolve("scripts/package").toString(), "--built")
                        .lines()
                        .toList()
                        .getLast();
        Files.copy(Path.of(built), root.resolve("vmckpt.deb"));
        runInside("dpkg", "-i", "/vmckpt.deb");
        assertThat(root.resolve("run/vmckpt")).as("nothing was started").doesNotExist();

        assertThat(runInside("vmckpt", "--version")).startsWith("vmckpt ");
        assertThat(runInside("vmckpt", "doctor", "--json")).contains("userfaultfd");
        assertThat(runInside("vmckpt-agent", "--check")).contains("all is right");
        assertThat(run(2, inside("vmckpt").toArray(String[]::new))).contains("which command?");
        assertThat(root.resolve("usr/share/man/man1/vmckpt-agent.1.gz")).exists();
        requireStartupCacheFits();

        try (TestGuest guest =
                TestGuest.builder()
                        .directory(root.resolve("run/vm1"))
                        .memory(96 * MIB)
                        .vcpus(1)
                        .workload(Workload.idle(4 * MIB))
                        .start()) {
            guest.awaitBoot();
            shareRuntimeFolder();
            Process agent = startAgent();
            try {
                checkpointThroughTheAgent();
                // Without systemd nobody stops it; it goes on with the files that it has open.
                runInside("dpkg", "-r", "vmckpt");
            } finally {
                agent.destroy();
                assertThat(agent.waitFor(SOON.toSeconds(), TimeUnit.SECONDS)).isTrue();
            }
            assertThat(root.resolve("usr/lib/vmckpt")).doesNotExist();
            assertThat(root.resolve("etc/vmckpt/agent.yaml")).exists();
            runInside("dpkg", "-P", "vmckpt");
            assertThat(root.resolve("etc/vmckpt/agent.yaml")).doesNotExist();
            assertThat(root.resolve("var/lib/vmckpt/checkpoints")).isNotEmptyDirectory();
            long tick = guest.console().awaitAnyTick(SOON).counter();
            guest.console().awaitTick(tick + 4, SOON);
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    /** Java says why it does not use a cache; the option that forbids it is ours. */
    private void requireStartupCacheFits() throws Exception {
        String log =
                runInside(
                        "sh",
                        "-c",
                        "cd / && VMCKPT_JAVA_OPTS='-Xlog:aot,cds=info:stdout -XX:AOTMode=on' vmckpt"
                                + " --version");
        assertThat(log).contains("vmckpt ").doesNotContain("rror occurred");
    }

    private Process startAgent() throws Exception {
        Process agent =
                new ProcessBuilder(inside("vmckpt-agent"))
                        .redirectErrorStream(true)
                        .redirectOutput(folder.resolve("agent.log").toFile())
                        .start();
        await().atMost(SOON).until(() -> AgentSocket.answers(socket()) || !agent.isAlive());
        assertThat(agent.isAlive()).as(log()).isTrue();
        return agent;
    }

    private String log() throws IOException {
        return Files.readString(folder.resolve("agent.log"));
    }

    private Path socket() {
        return root.resolve("run/vmckpt/agent.sock");
    }

    private void checkpointThroughTheAgent() throws Exception {
        try (AgentClient client = AgentClient.connect(socket())) {
            assertThat(client.get("/v1/health").path("store").asText())
                    .isEqualTo("/var/lib/vmckpt");
        }
        JsonNode report =
                Json.MAPPER.readTree(
                        runInside("vmckpt", "checkpoint", "qmp:/run/vm1/qmp.sock", "--json"));
        assertThat(runInside("vmckpt", "list")).contains(report.path("id").asText());
        assertThat(log()).contains("checkpoint taken");
    }
}
