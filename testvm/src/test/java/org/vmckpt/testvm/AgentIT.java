package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.agent.client.AgentClient;
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;

/** The agent, as an operator runs it. */
@Timeout(600)
final class AgentIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);

    @TempDir Path folder;
    private long rolledBack = -1;

    private static TestGuest startGuest() {
        TestGuest guest =
                TestGuest.builder()
                        .memory(128 * MIB)
                        .vcpus(1)
                        .disk(TestDisk.qcow2(16 * MIB))
                        .workload(Workload.busy(8 * MIB))
                        .start();
        guest.awaitWork();
        return guest;
    }

    private void configure(TestGuest guest, String... schedules) throws Exception {
        Files.write(
                folder.resolve("agent.yaml"),
                List.of(
                        "store: " + folder.resolve("store"),
                        "api: {socket: " + folder.resolve("agent.sock") + "}",
                        "guests:",
                        "  vm1: {monitor: %s, %s}"
                                .formatted(guest.qmpSocket(), PatientRequest.DRAIN_SETTING),
                        "schedules: {" + String.join(", ", schedules) + "}"));
    }

    private static final String OFTEN = "often: {guest: vm1, every: 500ms, keep: {last: 3}}";

    @Test
    void schedulesAndPeopleShareTheTrackingAndAKillLosesNothingElse() throws Exception {
        try (TestGuest guest = startGuest();
                NotifySocket systemd = NotifySocket.listen(folder.resolve("notify"))) {
            configure(guest, OFTEN, "seldom: {guest: vm1, cron: '0 0 1 1 *'}");
            Map<String, String> environment =
                    Map.of(
                            "NOTIFY_SOCKET",
                            folder.resolve("notify").toString(),
                            "WATCHDOG_USEC",
                            "1000000");
            try (AgentProcess agent = AgentProcess.start(folder, environment)) {
                await().atMost(SOON).until(() -> taken(agent) >= 4);
                JsonNode byHand = agent.vmckpt("checkpoint", "vm1", "--name", "by-hand");
                long pages = 128 * MIB / 4096;
                assertThat(byHand.path("statistics").path("pagesWanted").asLong())
                        .as("it stores only what changed since the schedule's last")
                        .isBetween(1L, pages / 2);
                JsonNode seldom = run(agent, "/v1/schedules/seldom/run");
                assertThat(seldom.path("result").path("manifest").path("series").asText())
                        .isEqualTo("seldom");
                requireStoreCommandsWorkBeside(agent, byHand, seldom);
                reload(agent, systemd);
                await().atMost(SOON).until(() -> removed(agent));
                agent.signal("KILL");
                agent.awaitEnd();
            }
            guest.console().awaitTick(guest.console().awaitAnyTick(SOON).counter() + 2, SOON);
            configure(guest, OFTEN);
            GuestConsole console;
            try (AgentProcess next = AgentProcess.start(folder, environment)) {
                assertThat(next.log()).contains("guest=vm1 tracking lost");
                await().atMost(SOON)
                        .until(() -> next.get("/v1/guests/vm1").path("trackedSince").isTextual());
                assertThat(next.get("/v1/guests/vm1").path("trackingLost").isNull()).isTrue();
                console = rollback(next, guest);
                next.signal("TERM");
                assertThat(next.awaitEnd()).as(next.log()).isZero();
            }
            await().atMost(SOON)
                    .untilAsserted(() ->
                            assertThat(systemd.messages())
                                    .contains("STOPPING=1", "WATCHDOG=1")
                                    .anyMatch(it -> it.startsWith("READY=1 STATUS=1 guests")));
            assertThat(console.verify(SOON).errors()).isZero();
            try (Store store = Store.open(folder.resolve("store"))) {
                List<Manifest> all = store.list();
                assertThat(all)
                        .filteredOn(it -> it.name().equals(Optional.of("by-hand")))
                        .singleElement()
                        .satisfies(it -> assertThat(it.series()).isEmpty());
                requireFork(store, all.getLast(), guest);
            }
        }
    }

    /** They find the agent's store, in which a schedule writes and old checkpoints are removed. */
    private static void requireStoreCommandsWorkBeside(
            AgentProcess agent, JsonNode byHand, JsonNode seldom) throws Exception {
        assertThat(agent.vmckpt("show", "by-hand").path("id")).isEqualTo(byHand.path("id"));
        assertThat(agent.vmckpt("verify", "--all").path("intact").asBoolean()).isTrue();
        assertThat(agent.vmckpt("compact").path("problems")).isEmpty();
        String id = seldom.path("result").path("manifest").path("id").asText();
        assertThat(agent.vmckpt("remove", id).path("removed")).hasSize(1);
        assertThat(agent.get("/v1/checkpoints").toString()).doesNotContain(id);
        assertThat(agent.vmckpt("verify", "by-hand").path("intact").asBoolean()).isTrue();
    }

    /** The agent lends the guest, and takes the schedule's checkpoints of the new one. */
    private GuestConsole rollback(AgentProcess agent, TestGuest guest) throws Exception {
        JsonNode report = agent.vmckpt("rollback", "vm1", "by-hand");
        rolledBack = report.path("guest").path("pid").asLong();
        await().atMost(SOON).until(() -> !guest.isRunning());
        String before = report.path("before").asText();
        await().atMost(SOON)
                .until(() ->
                        agent.get("/v1/guests/vm1").path("trackedSince").asText().compareTo(before)
                                > 0);
        return new GuestConsole(guest.consoleLog(), guest.commandSocket());
    }

    @AfterEach
    void endRolledBackGuest() {
        ProcessHandle.of(rolledBack).ifPresent(ProcessHandle::destroyForcibly);
    }

    /** A restored guest works, and its own checkpoint knows where it came from. */
    private void requireFork(Store store, Manifest manifest, TestGuest original) throws Exception {
        Path place = folder.resolve("restored");
        ConsoleLine.Tick now = original.console().awaitAnyTick(SOON);
        try (RestoredGuest fork =
                RestoredGuest.restore(store, manifest, original.folder(), place)) {
            fork.requireGoesOn(now.nonce());
            Manifest first = checkpoint(store, fork);
            assertThat(first.parent()).contains(manifest.id());
            assertThat(checkpoint(store, fork).parent()).contains(first.id());
            fork.quit();
        }
    }

    private static Manifest checkpoint(Store store, RestoredGuest guest) throws Exception {
        CheckpointRequest request = PatientRequest.of(guest.report().qmpPath(), store);
        return CheckpointService.checkpoint(request, ProgressListener.none()).manifest();
    }

    private static long taken(AgentProcess agent) throws Exception {
        return agent.get("/v1/checkpoints").path("checkpoints").size();
    }

    /** Retention has left three of the schedule. */
    private static boolean removed(AgentProcess agent) throws Exception {
        long often = 0;
        for (JsonNode checkpoint : agent.get("/v1/checkpoints").path("checkpoints")) {
            often += checkpoint.path("series").asText().equals("often") ? 1 : 0;
        }
        return often <= 4 && taken(agent) > often;
    }

    private static JsonNode run(AgentProcess agent, String path) throws Exception {
        try (AgentClient client = AgentClient.connect(agent.socket())) {
            String id = client.post(path, Json.MAPPER.createObjectNode()).path("id").asText();
            await().atMost(SOON)
                    .until(() ->
                            client.get("/v1/jobs/" + id).path("state").asText().equals("done"));
            return client.get("/v1/jobs/" + id);
        }
    }

    /** A configuration with a mistake changes nothing; a right one is in force at once. */
    private void reload(AgentProcess agent, NotifySocket systemd) throws Exception {
        Path file = folder.resolve("agent.yaml");
        String right = Files.readString(file);
        Files.writeString(file, right.replace("every: 500ms", "every: never"));
        agent.signal("HUP");
        agent.await(SOON, () -> agent.log().contains("agent.yaml:5: schedules.often"));
        assertThat(agent.get("/v1/schedules").path("schedules")).hasSize(2);
        Files.writeString(file, right.replace("seldom:", "rarely:"));
        agent.signal("HUP");
        agent.await(SOON, () -> agent.get("/v1/schedules").toString().contains("rarely"));
        await().atMost(SOON)
                .untilAsserted(() ->
                        assertThat(systemd.messages())
                                .anyMatch(it -> it.startsWith("RELOADING=1 MONOTONIC_USEC=")));
    }
}
