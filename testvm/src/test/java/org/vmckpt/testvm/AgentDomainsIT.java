package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The agent follows domains of a real libvirtd, whose hook tells it of them too. */
@Timeout(600)
final class AgentDomainsIT {
    private static final long MIB = 1 << 20;
    private static final long PAGES = 96 * MIB / 4096;
    private static final Duration SOON = Duration.ofSeconds(60);

    private static TestLibvirtd host;

    @TempDir Path folder;

    @BeforeAll
    static void startLibvirtd() {
        host = TestLibvirtd.start();
    }

    @AfterAll
    static void endLibvirtd() {
        host.close();
    }

    private void configure() throws Exception {
        Files.write(
                folder.resolve("agent.yaml"),
                List.of(
                        "store: " + folder.resolve("store"),
                        "api: {socket: " + folder.resolve("agent.sock") + "}",
                        "libvirt: {uri: '" + host.uri() + "'}",
                        "guests:",
                        "  vm1: {domain: web, " + PatientRequest.DRAIN_SETTING + "}",
                        "  vm2: {domain: nobody}",
                        "schedules:",
                        "  often: {guest: vm1, every: 500ms, keep: {last: 3}}",
                        "  never: {guest: vm2, every: 500ms}"));
        Path hook = Files.createDirectories(host.folder().resolve("etc/hooks/qemu.d"));
        Path script = AgentProcess.BIN.resolveSibling("libvirt/vmckpt");
        Path told =
                Files.writeString(
                        hook.resolve("vmckpt"),
                        "#!/bin/sh\nVMCKPT_AGENT=%s exec %s \"$@\"\n"
                                .formatted(folder.resolve("agent.sock"), script));
        Files.setPosixFilePermissions(told, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private static TestDomain define() {
        return TestDomain.define(host, "web", 96 * MIB, true, Workload.light(16 * MIB));
    }

    private static JsonNode guest(AgentProcess agent) throws Exception {
        return agent.get("/v1/guests/vm1");
    }

    private static void awaitState(AgentProcess agent, String state) throws Exception {
        agent.await(SOON, () -> guest(agent).path("state").asText().equals(state));
    }

    /** Its schedule has taken a checkpoint of this run, and goes on. */
    private static void awaitTracked(AgentProcess agent, String after) throws Exception {
        Callable<Boolean> tracked =
                () -> guest(agent).path("trackedSince").asText("").compareTo(after) > 0;
        agent.await(SOON, () -> !guest(agent).path("trackedSince").isNull() && tracked.call());
    }

    private static String newest(AgentProcess agent) throws Exception {
        return agent.get("/v1/checkpoints").path("checkpoints").path(0).isMissingNode()
                ? ""
                : agent.get("/v1/checkpoints").path("checkpoints").findValuesAsText("id").getLast();
    }

    @Test
    void aDomainIsFollowedThroughStartsEndsAndARestartOfLibvirtd() throws Exception {
        TestDomain domain = define();
        configure();
        // libvirtd looks for hooks when it starts.
        host.restart();
        try (AgentProcess agent = AgentProcess.start(folder, Map.of())) {
            awaitState(agent, "off");
            assertThat(agent.get("/v1/guests/vm2").path("state").asText()).isEqualTo("missing");
            host.virsh("start", "web");
            awaitTracked(agent, "");
            requireCheckpointsByName(agent, domain);
            requireRollsBack(agent, domain);
            String before = newest(agent);
            host.restart();
            agent.await(SOON, () -> agent.log().contains("does not answer"));
            awaitTracked(agent, before);
            assertThat(domain.console().verify(SOON).errors()).isZero();
            requireLetGo(agent, domain);
            Files.delete(domain.folder().resolve("console.log"));
            before = newest(agent);
            host.virsh("start", "web");
            awaitTracked(agent, before);
            host.virsh("destroy", "web");
            host.virsh("undefine", "web");
            awaitState(agent, "missing");
            requireNoNoise(agent);
            agent.signal("TERM");
            assertThat(agent.awaitEnd()).as(agent.log()).isZero();
        }
    }

    /** The command names the domain, and the agent, which holds it, does the work. */
    private void requireCheckpointsByName(AgentProcess agent, TestDomain domain) throws Exception {
        domain.awaitBoot();
        JsonNode byHand =
                agent.vmckpt(
                        "checkpoint", "libvirt:web", "--name", "by-hand", "--connect", host.uri());
        assertThat(byHand.path("statistics").path("pagesWanted").asLong())
                .as("it stores only what changed since the schedule's last")
                .isBetween(1L, PAGES / 2);
        JsonNode guests = agent.vmckpt("status").path("guests");
        assertThat(guests).hasSize(2);
        assertThat(guests.path(0).path("state").asText()).isEqualTo("tracked");
        assertThat(guests.path(0).path("kept").asLong()).isPositive();
        assertThat(guests.path(1).path("due").isNull()).isTrue();
    }

    /** The agent lends it, and tracks the guest that is there then. */
    private void requireRollsBack(AgentProcess agent, TestDomain domain) throws Exception {
        String nonce = domain.console().awaitAnyTick(SOON).nonce();
        JsonNode report =
                agent.vmckpt("rollback", "libvirt:web", "by-hand", "--connect", host.uri());
        // The schedule's next checkpoint may have put an overlay on the disk already.
        assertThat(domain.diskFile("vda").toString())
                .startsWith(report.path("guest").path("disks").path("vda").asText());
        assertThat(domain.console().awaitAnyTick(SOON).nonce()).isEqualTo(nonce);
        assertThat(domain.console().verify(SOON).errors()).isZero();
        awaitTracked(agent, report.path("before").asText());
    }

    /** No checkpoint is even tried of a domain that is off. */
    private static void requireLetGo(AgentProcess agent, TestDomain domain) throws Exception {
        host.virsh("destroy", "web");
        awaitState(agent, "off");
        await().atMost(SOON).until(() -> guest(agent).path("trackedSince").isNull());
        // Said when it is known already.
        agent.await(
                SOON, () -> agent.log().contains("guest=vm1 its domain is off; it was running"));
        // Any will do: the hook gives up a host that is too busy for it.
        assertThat(agent.log()).contains("libvirt: domain web: ");
        await().atMost(SOON).until(() -> agent.get("/v1/health").path("jobsRunning").asLong() == 0);
        JsonNode jobs = agent.get("/v1/jobs");
        String metrics = agent.text("/metrics");
        assertThat(metrics)
                .contains("vmckpt_guest_running{guest=\"vm1\"} 0.0")
                .contains("vmckpt_guest_tracked{guest=\"vm1\"} 0.0")
                .contains("vmckpt_libvirt_up 1.0");
        // Three times as long as the schedule's interval.
        Thread.sleep(1500);
        assertThat(agent.get("/v1/jobs")).isEqualTo(jobs);
        assertThat(domain.state()).isEqualTo("shut off");
    }

    /** What was under way when the domain or libvirtd ended may fail, and nothing else. */
    private static void requireNoNoise(AgentProcess agent) throws Exception {
        List<String> warnings =
                agent.log().lines().filter(line -> line.matches("<[34]>.*")).toList();
        assertThat(warnings).filteredOn(line -> line.contains("does not answer")).hasSize(1);
        assertThat(warnings).filteredOn(line -> line.contains("failed: ")).hasSizeLessThan(4);
        assertThat(warnings).noneMatch(line -> line.startsWith("<3>") || line.contains("vm2"));
    }
}
