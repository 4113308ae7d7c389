package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.hook.Endpoint;
import org.vmckpt.cow.hook.HookSettings;
import org.vmckpt.cow.hook.Hooks;
import org.vmckpt.cow.hook.Script;
import org.vmckpt.cow.restore.RestoreReport;
import org.vmckpt.cow.restore.RestoreRequest;
import org.vmckpt.cow.restore.RestoreService;

/** Hooks around checkpoints and restores of a real guest, from a command and from the agent. */
@Timeout(300)
final class HooksIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final String ODD = "it's $(reboot) & \"more\"; rm -rf /\n";

    @TempDir Path folder;
    private Path log;
    private Path hooks;
    private TestGuest guest;
    private Store store;

    @BeforeEach
    void startGuest() throws Exception {
        log = folder.resolve("log");
        hooks = Files.createDirectories(folder.resolve("hooks.d"));
        Script.write(hooks, "10-log", "cat >>" + log);
        guest =
                TestGuest.builder()
                        .memory(128 * MIB)
                        .vcpus(1)
                        .disk(TestDisk.qcow2(16 * MIB))
                        .workload(Workload.busy(8 * MIB))
                        .start();
        store = Store.openOrCreate(folder.resolve("store"));
        guest.awaitWork();
    }

    @AfterEach
    void endGuest() {
        store.close();
        guest.close();
    }

    private Hooks hooks() {
        return new Hooks(
                HookSettings.NONE.withFolder(hooks).withLimits(SOON, HookSettings.LONGEST_PAUSE));
    }

    private Manifest checkpoint(EngineName engine) throws Exception {
        CheckpointRequest request =
                PatientRequest.of(guest.qmpSocket(), store)
                        .withName(Optional.of(ODD))
                        .withEngine(engine)
                        .withHooks(hooks());
        return CheckpointService.checkpoint(request, ProgressListener.none()).manifest();
    }

    private List<JsonNode> heard() throws Exception {
        return Files.readAllLines(log).stream().map(HooksIT::parse).toList();
    }

    private static JsonNode parse(String line) {
        try {
            return Json.MAPPER.readTree(line);
        } catch (Exception e) {
            throw new AssertionError(line, e);
        }
    }

    private List<String> events() throws Exception {
        return heard().stream().map(it -> it.path("event").asText()).toList();
    }

    @Test
    void aCheckpointIsForbiddenOrFollowedToItsEndAndSoIsARestore() throws Exception {
        Script.write(hooks, "20-forbid", "[ $VMCKPT_EVENT != pre-checkpoint ] || exit 7");
        assertThatThrownBy(() -> checkpoint(EngineName.UFFD))
                .isInstanceOf(RefusedException.class)
                .hasMessageContainingAll("20-forbid", "7");
        assertThat(store.list()).isEmpty();
        assertThat(events()).containsExactly("pre-checkpoint", "failed");
        assertThat(heard().getLast().path("errorKind").asText()).isEqualTo("refused");
        try (Stream<Path> files = Files.list(guest.folder())) {
            assertThat(files).as("its disk is as it was").noneMatch(HooksIT::isOverlay);
        }

        Files.delete(log);
        Script.write(hooks, "20-forbid", "[ $VMCKPT_EVENT != pre-restore ] || exit 7");
        Script.write(
                hooks.resolve("paused"),
                "10-look",
                "read -r json; echo ready; read -r go; printf '%s\\n' \"$json\" >>"
                        + log
                        + "; echo done");
        for (EngineName engine : EngineName.values()) {
            Manifest manifest = checkpoint(engine);
            assertThat(events())
                    .as("%s", engine)
                    .containsExactly("pre-checkpoint", "paused", "resumed", "durable");
            JsonNode durable = heard().getLast();
            assertThat(durable.path("name").asText()).isEqualTo(ODD);
            assertThat(durable.path("checkpoint").asText()).isEqualTo(manifest.id().value());
            assertThat(durable.path("engine").asText()).isEqualTo(engine.text());
            assertThat(durable.path("pauseMicros").asLong()).isPositive();
            Files.delete(log);
        }
        assertThat(guest.console().verify(SOON).errors()).isZero();
        requireRestoreIsAsked();
    }

    private static boolean isOverlay(Path file) {
        return file.getFileName().toString().contains("vmckpt");
    }

    private void requireRestoreIsAsked() throws Exception {
        Path home = Files.createDirectories(folder.resolve("home"));
        Manifest manifest = store.list().getLast();
        RestoreRequest request =
                RestoredGuest.request(store, manifest, home).withMaps(Map.of(guest.folder(), home));
        assertThatThrownBy(() ->
                        new RestoreService().restore(request, hooks(), ProgressListener.none()))
                .hasMessageContaining("20-forbid");
        assertThat(home.resolve("disks")).doesNotExist();
        assertThat(events()).containsExactly("pre-restore", "failed");
        Files.delete(hooks.resolve("20-forbid"));
        RestoreReport report =
                new RestoreService().restore(request, hooks(), ProgressListener.none());
        ProcessHandle qemu = ProcessHandle.of(report.pid()).orElseThrow();
        qemu.destroyForcibly();
        qemu.onExit().join();
        assertThat(events()).endsWith("pre-restore", "restored");
        assertThat(heard().getLast().path("pid").asLong()).isEqualTo(report.pid());
    }

    @Test
    void theAgentTellsItsOwnHooksAndEndpoints() throws Exception {
        try (Endpoint endpoint = Endpoint.start()) {
            Files.write(
                    folder.resolve("agent.yaml"),
                    List.of(
                            "store: " + folder.resolve("store"),
                            "api: {socket: " + folder.resolve("agent.sock") + "}",
                            "guests:",
                            "  vm1: {monitor: %s, %s}"
                                    .formatted(guest.qmpSocket(), PatientRequest.DRAIN_SETTING),
                            "hooks:",
                            "  folder: " + hooks,
                            "  webhooks:",
                            "    silent: {url: '" + endpoint.url("/silent") + "',",
                            "      events: durable, timeout: 3s}",
                            "    all: {url: '" + endpoint.url("/hook") + "'}"));
            try (AgentProcess agent = AgentProcess.start(folder, Map.of())) {
                agent.vmckpt("checkpoint", "vm1", "--name", "by-hand");
                assertThat(agent.log()).contains("webhook silent");
            }
            assertThat(events()).containsExactly("pre-checkpoint", "resumed", "durable");
            assertThat(heard()).allMatch(it -> it.path("agentGuest").asText().equals("vm1"));
            assertThat(endpoint.bodies().stream().map(it -> parse(it).path("event").asText()))
                    .containsExactly("pre-checkpoint", "resumed", "durable", "durable");
        }
    }
}
