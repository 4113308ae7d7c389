package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.agent.client.AgentClient;
import org.vmckpt.core.Json;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.hook.Script;
import org.vmckpt.testvm.AgentProcess;

/**
 * The agent is killed with SIGKILL in each phase of a checkpoint of a guest that it tracks, by a
 * hook that knows the phase; and its store is full.
 */
@Timeout(300)
final class KilledAgentIT {
    private static final Duration AT_MOST = Duration.ofSeconds(20);

    /** What the hooks do nothing at. */
    private static final String NEVER = "never";

    /** In the order of a checkpoint; prepared: overlays, guard and tracker are there. */
    private static final List<String> PHASES =
            List.of("pre-checkpoint", "prepared", "paused", "resumed", "durable");

    private static WatchedGuest guest;

    @TempDir Path folder;

    @BeforeAll
    static void bootGuest() throws Exception {
        guest = WatchedGuest.boot();
    }

    @AfterAll
    static void endGuest() {
        guest.close();
    }

    @BeforeEach
    void writeHooks() throws Exception {
        String read =
                "phase=$(cat %s); victim=$(cat %s)\n"
                        .formatted(folder.resolve("phase"), folder.resolve("victim"));
        String kill = "if [ \"$phase\" = %s ]; then kill -KILL \"$victim\"; fi\n";
        Path hooks = folder.resolve("hooks.d");
        Script.write(hooks, "10-kill", read + kill.formatted("\"$1\""));
        // No program runs in the pause, which may end before that has started.
        Script.write(
                hooks.resolve("paused"),
                "10-kill",
                "read -r json\n"
                        + read
                        + kill.formatted("prepared")
                        + "echo ready; read -r go\n"
                        + kill.formatted("paused")
                        + "echo done");
    }

    private void configure(Path store) throws Exception {
        Files.write(
                folder.resolve("agent.yaml"),
                List.of(
                        "store: " + store,
                        "api: {socket: " + folder.resolve("agent.sock") + "}",
                        "guests: {vm1: {monitor: " + guest.guest().qmpSocket() + ", track: true}}",
                        "hooks: {folder: " + folder.resolve("hooks.d") + ", pause-limit: 1s}"));
        Files.writeString(folder.resolve("phase"), NEVER);
    }

    private AgentProcess startAgent() throws Exception {
        AgentProcess agent = AgentProcess.start(folder, Map.of());
        Files.writeString(folder.resolve("victim"), Long.toString(agent.pid()));
        return agent;
    }

    /** The job as it ended. */
    private static JsonNode checkpoint(AgentProcess agent) throws Exception {
        try (AgentClient client = AgentClient.connect(agent.socket())) {
            String job = "/v1/jobs/" + client.post("/v1/jobs", order()).path("id").asText();
            await().atMost(WatchedGuest.SOON)
                    .until(() -> client.get(job).path("endedAt").isTextual());
            return client.get(job);
        }
    }

    private static ObjectNode order() {
        return Json.MAPPER.createObjectNode().put("kind", "checkpoint").put("guest", "vm1");
    }

    private void killAt(AgentProcess agent, String phase) throws Exception {
        Files.writeString(folder.resolve("phase"), phase);
        try (AgentClient client = AgentClient.connect(agent.socket())) {
            client.post("/v1/jobs", order());
        } catch (TransportException e) {
            // It was killed before it answered.
        }
        // 128 and the signal
        assertThat(agent.awaitEnd()).as(agent.log()).isEqualTo(137);
        Files.writeString(folder.resolve("phase"), NEVER);
    }

    @Test
    void theGuestGoesOnAndTheNextAgentPicksUp() throws Exception {
        Path directory = folder.resolve("store");
        configure(directory);
        AgentProcess agent = startAgent();
        try (Store store = Store.openOrCreate(directory)) {
            requireTaken(agent, store, 1);
            int taken = 1;
            for (String phase : PHASES) {
                Instant start = Instant.now();
                killAt(agent, phase);
                guest.awaitRunning(AT_MOST);
                boolean stopped = PHASES.indexOf(phase) >= PHASES.indexOf("paused");
                assertThat(guest.stopsSince(start)).as(phase).isEqualTo(stopped ? 1 : 0);
                guest.requireGoesOn();
                taken += phase.equals("durable") ? 1 : 0;
                assertThat(store.list()).as(phase).hasSize(taken);

                agent = startAgent();
                requireTaken(agent, store, ++taken);
                assertThat(agent.get("/v1/guests/vm1").path("trackedSince").isTextual()).isTrue();
            }
            assertThat(agent.log()).contains("guest=vm1 tracking lost");
            guest.requireRestores(store, store.list().getLast());
            guest.requireAllIsWell();
        } finally {
            agent.close();
        }
    }

    /** A whole checkpoint, and nothing left of one before it. */
    private static void requireTaken(AgentProcess agent, Store store, int expected)
            throws Exception {
        assertThat(checkpoint(agent).path("state").asText()).as(agent.log()).isEqualTo("done");
        assertThat(store.list()).hasSize(expected);
        assertThat(guest.overlays()).as("one for each disk").hasSize(2);
        guest.requireCleanImages();
    }

    @Test
    void aFullStoreFailsTheJobAloneAndTheNextOneSucceedsWhenThereIsRoom() throws Exception {
        Path mount = Files.createDirectory(folder.resolve("small"));
        Programs.run("mount", "-t", "tmpfs", "-o", "size=4m", "vmckpt-test", mount.toString());
        try {
            configure(mount.resolve("store"));
            try (AgentProcess agent = startAgent()) {
                List<String> disks = guest.activeFiles();
                JsonNode failed = checkpoint(agent);
                assertThat(failed.path("state").asText()).isEqualTo("failed");
                assertThat(failed.path("error").path("kind").asText()).isEqualTo("storage");
                assertThat(failed.path("error").path("message").asText())
                        .contains("full", "vmckpt remove");
                JsonNode view = agent.get("/v1/guests/vm1");
                assertThat(view.path("lastFailure").path("kind").asText()).isEqualTo("storage");
                assertThat(guest.activeFiles()).isEqualTo(disks);
                guest.requireGoesOn();

                Programs.run("mount", "-o", "remount,size=400m", mount.toString());
                assertThat(checkpoint(agent).path("state").asText()).isEqualTo("done");
            }
            guest.requireAllIsWell();
        } finally {
            Programs.run("umount", mount.toString());
        }
    }
}
