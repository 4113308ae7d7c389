package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.LongSummaryStatistics;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.agent.client.AgentClient;
import org.vmckpt.core.Json;

/**
 * A host with a hundred domains, most of them shut off, of which ten are checkpointed at once. It
 * takes minutes, and is run by its name: {@code scripts/dev it ManyDomains}.
 */
final class ManyDomains {
    private static final int REGISTERED = 100;
    private static final int RUNNING = 10;
    private static final int ROUNDS = 3;
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofMinutes(3);

    @TempDir Path folder;

    @Test
    void tenOfAHundredAreCheckpointedAtOnce() throws Exception {
        try (TestLibvirtd host = TestLibvirtd.start()) {
            List<TestDomain> domains = startSome(host);
            registerTheOthers(host);
            assertThat(domains).extracting(TestDomain::state).containsOnly("running");
            configure(host);
            try (AgentProcess agent = AgentProcess.start(folder, Map.of())) {
                agent.await(SOON, () -> count(agent, "running") == RUNNING);
                assertThat(count(agent, "off")).isEqualTo(REGISTERED - RUNNING);
                System.out.printf(
                        "%d guests, %d run, before any checkpoint: %s%n",
                        REGISTERED, RUNNING, use(agent));
                assertThat(threads(agent)).isLessThan(REGISTERED);
                assertThat(sockets(agent)).isLessThan(REGISTERED / 4);
                for (int round = 1; round <= ROUNDS; round++) {
                    checkpointAll(agent, round);
                }
                for (JsonNode checkpoint : agent.get("/v1/checkpoints").path("checkpoints")) {
                    run(agent, "verify", "checkpoint", checkpoint.path("id").asText());
                }
            }
            for (TestDomain domain : domains) {
                assertThat(domain.console().verify(SOON).errors()).as(domain.name()).isZero();
            }
        }
    }

    private static List<TestDomain> startSome(TestLibvirtd host) {
        Workload workload =
                Workload.idle(16 * MIB).memory(Rate.perSecond(1000)).disk(Rate.perSecond(10));
        List<TestDomain> domains = new ArrayList<>();
        for (int i = 0; i < RUNNING; i++) {
            domains.add(TestDomain.start(host, name(i), 96 * MIB, true, workload));
        }
        domains.forEach(TestDomain::awaitWork);
        return domains;
    }

    private static String name(int number) {
        return "d%03d".formatted(number);
    }

    private void registerTheOthers(TestLibvirtd host) throws IOException {
        for (int i = RUNNING; i < REGISTERED; i++) {
            Path xml = folder.resolve("domain.xml");
            Files.writeString(
                    xml,
                    """
                    <domain type='qemu'><name>%s</name><memory unit='MiB'>64</memory>
                      <os><type arch='x86_64' machine='pc'>hvm</type></os>
                    </domain>
                    """
                            .formatted(name(i)));
            host.virsh("define", xml.toString());
        }
    }

    private void configure(TestLibvirtd host) throws IOException {
        List<String> lines =
                new ArrayList<>(
                        List.of(
                                "store: " + folder.resolve("store"),
                                "api: {socket: " + folder.resolve("agent.sock") + "}",
                                "limits: {jobs: " + RUNNING + "}",
                                "libvirt: {uri: '" + host.uri() + "'}",
                                "guests:"));
        for (int i = 0; i < REGISTERED; i++) {
            lines.add("  %s: {domain: %s, track: true}".formatted(name(i), name(i)));
        }
        Files.write(folder.resolve("agent.yaml"), lines);
    }

    private static long count(AgentProcess agent, String state) throws Exception {
        return agent.get("/v1/guests").path("guests").findValuesAsText("state").stream()
                .filter(state::equals)
                .count();
    }

    private static void checkpointAll(AgentProcess agent, int round) throws Exception {
        try (AgentClient client = AgentClient.connect(agent.socket())) {
            List<String> jobs = new ArrayList<>();
            for (int i = 0; i < RUNNING; i++) {
                jobs.add(
                        client.post(
                                        "/v1/jobs",
                                        Json.MAPPER
                                                .createObjectNode()
                                                .put("kind", "checkpoint")
                                                .put("guest", name(i)))
                                .path("id")
                                .asText());
            }
            LongSummaryStatistics pauses = new LongSummaryStatistics();
            LongSummaryStatistics durations = new LongSummaryStatistics();
            List<Long> allPauses = new ArrayList<>();
            for (String job : jobs) {
                JsonNode ended = awaitEnd(agent, job);
                long micros = ended.at("/result/manifest/statistics/pauseMicros").asLong();
                pauses.accept(micros);
                allPauses.add(micros);
                durations.accept(
                        Duration.between(
                                        Instant.parse(ended.path("createdAt").asText()),
                                        Instant.parse(ended.path("endedAt").asText()))
                                .toMillis());
            }
            allPauses.sort(null);
            System.out.printf(
                    "round %d: %d checkpoints in %d to %d ms; pause %.1f to %.1f ms, median %.1f;"
                            + " %s%n",
                    round,
                    jobs.size(),
                    durations.getMin(),
                    durations.getMax(),
                    pauses.getMin() / 1e3,
                    pauses.getMax() / 1e3,
                    allPauses.get(allPauses.size() / 2) / 1e3,
                    use(agent));
        }
    }

    private static JsonNode awaitEnd(AgentProcess agent, String job) throws Exception {
        agent.await(
                SOON,
                () ->
                        agent.get("/v1/jobs/" + job)
                                .path("state")
                                .asText()
                                .matches("done|failed|cancelled"));
        JsonNode ended = agent.get("/v1/jobs/" + job);
        assertThat(ended.path("state").asText()).as(ended.toPrettyString()).isEqualTo("done");
        return ended;
    }

    private static void run(AgentProcess agent, String kind, String field, String value)
            throws Exception {
        try (AgentClient client = AgentClient.connect(agent.socket())) {
            var wanted = Json.MAPPER.createObjectNode().put("kind", kind).put(field, value);
            awaitEnd(agent, client.post("/v1/jobs", wanted).path("id").asText());
        }
    }

    private static String use(AgentProcess agent) throws IOException {
        return "agent: %d threads, %d sockets, %d MiB of its own and %d MiB of guests resident"
                .formatted(
                        threads(agent),
                        sockets(agent),
                        status(agent, "RssAnon") >> 10,
                        status(agent, "RssShmem") >> 10);
    }

    private static long threads(AgentProcess agent) throws IOException {
        return status(agent, "Threads");
    }

    private static long status(AgentProcess agent, String field) throws IOException {
        try (Stream<String> lines = Files.lines(proc(agent, "status"))) {
            return lines.filter(line -> line.startsWith(field + ":"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                    .findFirst()
                    .orElseThrow();
        }
    }

    private static long sockets(AgentProcess agent) throws IOException {
        try (Stream<Path> descriptors = Files.list(proc(agent, "fd"))) {
            return descriptors.filter(ManyDomains::isSocket).count();
        }
    }

    private static boolean isSocket(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString().startsWith("socket:");
        } catch (IOException e) {
            return false; // closed meanwhile
        }
    }

    private static Path proc(AgentProcess agent, String file) {
        return Path.of("/proc", Long.toString(agent.pid()), file);
    }
}
