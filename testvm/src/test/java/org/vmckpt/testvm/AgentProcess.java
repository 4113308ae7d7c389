package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionTimeoutException;
import org.vmckpt.agent.client.AgentClient;
import org.vmckpt.agent.client.AgentSocket;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;

/** {@code vmckpt-agent} as it is shipped, and {@code vmckpt} as its client. */
public final class AgentProcess implements AutoCloseable {
    static final Path BIN = Path.of("../vmckpt-cli/target/vmckpt/bin").toAbsolutePath().normalize();
    private static final int SOON_SECONDS = 120;

    private final Process process;
    private final Path folder;

    private AgentProcess(Process process, Path folder) {
        this.process = process;
        this.folder = folder;
    }

    /**
     * Starts it and waits until it listens.
     *
     * @param folder of its configuration, {@code agent.yaml}, which names {@code agent.sock} there
     */
    public static AgentProcess start(Path folder, Map<String, String> environment)
            throws Exception {
        ProcessBuilder builder =
                new ProcessBuilder(
                                // As nohup starts it.
                                "env",
                                "--ignore-signal=HUP",
                                "setpriv",
                                "--bounding-set",
                                capabilities(),
                                BIN.resolve("vmckpt-agent").toString(),
                                "--config",
                                folder.resolve("agent.yaml").toString())
                        .redirectErrorStream(true)
                        .redirectOutput(
                                ProcessBuilder.Redirect.appendTo(
                                        folder.resolve("agent.log").toFile()));
        builder.environment().putAll(environment);
        AgentProcess agent = new AgentProcess(builder.start(), folder);
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(SOON_SECONDS);
        while (!AgentSocket.answers(agent.socket())) {
            assertThat(agent.process.isAlive() && System.nanoTime() < deadline)
                    .as(agent.log())
                    .isTrue();
            Thread.sleep(20);
        }
        return agent;
    }

    /** Those that the unit allows, and no others. */
    private static String capabilities() throws IOException {
        Path unit = BIN.resolveSibling("systemd/vmckpt-agent.service");
        try (Stream<String> lines = Files.lines(unit)) {
            String allowed =
                    lines.filter(line -> line.startsWith("CapabilityBoundingSet="))
                            .findFirst()
                            .orElseThrow();
            return "-all"
                    + allowed.substring(allowed.indexOf('=') + 1)
                            .toLowerCase(Locale.ROOT)
                            .replaceAll(" ?cap_", ",+");
        }
    }

    public Path socket() {
        return folder.resolve("agent.sock");
    }

    public long pid() {
        return process.pid();
    }

    public String log() throws IOException {
        return Files.readString(folder.resolve("agent.log"));
    }

    public JsonNode get(String path) throws VmckptException {
        try (AgentClient client = AgentClient.connect(socket())) {
            return client.get(path);
        }
    }

    /** What is no JSON. */
    String text(String path) {
        return Commands.run(
                List.of(
                        "curl",
                        "-s",
                        "--unix-socket",
                        socket().toString(),
                        "http://localhost" + path));
    }

    /** Runs a command that must succeed, with {@code --json}. */
    public JsonNode vmckpt(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(BIN.resolve("vmckpt").toString()));
        command.addAll(List.of(arguments));
        command.addAll(List.of("--json", "--agent", socket().toString()));
        Process run =
                new ProcessBuilder(command)
                        .redirectError(folder.resolve("errors").toFile())
                        .start();
        String output = new String(run.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(run.waitFor())
                .as(output + Files.readString(folder.resolve("errors")) + log())
                .isZero();
        return Json.MAPPER.readTree(output);
    }

    void signal(String name) throws Exception {
        Process kill = new ProcessBuilder("kill", "-" + name, Long.toString(pid())).start();
        assertThat(kill.waitFor()).isZero();
    }

    /** Waits for something; when it does not come the failure shows the log and all threads. */
    void await(Duration limit, Callable<Boolean> arrived) throws Exception {
        try {
            Awaitility.await().atMost(limit).until(arrived);
        } catch (ConditionTimeoutException e) {
            // The JVM prints its threads into the log.
            signal("QUIT");
            Thread.sleep(1000);
            throw new AssertionError(log(), e);
        }
    }

    /** It ends by itself; returns how. */
    public int awaitEnd() throws Exception {
        assertThat(process.waitFor(SOON_SECONDS, TimeUnit.SECONDS)).as(log()).isTrue();
        return process.exitValue();
    }

    @Override
    public void close() {
        process.destroyForcibly();
        // Its files are deleted next.
        process.onExit().join();
    }
}
