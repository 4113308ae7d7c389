package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * libvirt migrates a domain that the agent of one host tracks to another, whose agent waits for it.
 * It runs when it is asked for: {@code scripts/dev it MigratedDomain}.
 */
@Timeout(300)
final class MigratedDomain {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int PORT = 49_318;

    @TempDir private Path folder;

    @AutoClose private final TestLibvirtd here = TestLibvirtd.start();
    @AutoClose private final TestLibvirtd there = TestLibvirtd.start();

    private AgentProcess agent(String name, TestLibvirtd host) throws Exception {
        Path home = Files.createDirectory(folder.resolve(name));
        Files.write(
                home.resolve("agent.yaml"),
                List.of(
                        "store: " + home.resolve("store"),
                        "api: {socket: " + home.resolve("agent.sock") + "}",
                        "libvirt: {uri: '" + host.uri() + "'}",
                        "guests: {vm1: {domain: web}}",
                        "schedules:",
                        "  often: {guest: vm1, every: 2s, keep: {last: 3}}"));
        return AgentProcess.start(home, Map.of());
    }

    private static JsonNode guest(AgentProcess agent) throws Exception {
        return agent.get("/v1/guests/vm1");
    }

    private static void awaitState(AgentProcess agent, String state) throws Exception {
        agent.await(SOON, () -> guest(agent).path("state").asText().equals(state));
    }

    private static void awaitTracked(AgentProcess agent) throws Exception {
        agent.await(SOON, () -> !guest(agent).path("trackedSince").isNull());
    }

    @Test
    void theAgentOfEachHostFollowsIt() throws Exception {
        TestDomain domain = TestDomain.start(here, "web", 96 * MIB, true, Workload.light(16 * MIB));
        domain.awaitWork();
        String nonce = domain.console().awaitAnyTick(SOON).nonce();
        try (AgentProcess first = agent("a", here);
                AgentProcess second = agent("b", there)) {
            awaitTracked(first);
            awaitState(second, "missing");
            migrate();
            awaitState(first, "missing");
            awaitTracked(second);
            awaitState(second, "running");
            assertThat(there.virsh("domstate", "web")).isEqualTo("running");
            assertThat(guest(first).path("trackedSince").isNull()).isTrue();
            // Not by the command socket: the QEMU that ended has removed the other one's.
            ConsoleLine.Tick moved = domain.console().awaitAnyTick(SOON);
            assertThat(moved.nonce()).isEqualTo(nonce);
            assertThat(domain.console().awaitTick(moved.counter() + 8, SOON).errors()).isZero();
            System.out.println(first.log());
            System.out.println(second.log());
        }
        there.virsh("destroy", "web");
    }

    /** Refused while a checkpoint is under way, as libvirt does one thing of a domain at a time. */
    private void migrate() throws Exception {
        for (int attempt = 1; ; attempt++) {
            try {
                here.virsh(
                        "migrate",
                        "--live",
                        "--p2p",
                        "--unsafe",
                        "--persistent",
                        "--undefinesource",
                        "--migrateuri",
                        "tcp://127.0.0.1:" + PORT,
                        "web",
                        there.uri());
                return;
            } catch (TestGuestException e) {
                System.out.println("attempt " + attempt + ": " + e.getMessage());
                if (attempt == 5) {
                    throw e;
                }
                Thread.sleep(1000);
            }
        }
    }
}
