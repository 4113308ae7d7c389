package org.vmckpt.cow.guard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.ThreadPriority;

/** The guard against a peer that answers as we choose; KilledCheckpointIT has QEMU for it. */
@Timeout(180)
class GuardTest {
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final String UNDO =
            "{\"execute\":\"migrate-set-parameters\",\"arguments\":{\"max-bandwidth\":1}}";

    @TempDir Path folder = Path.of("");
    private volatile boolean mayBeUrgent;

    @Test
    void answersToTheCommandsOfAKilledClientAreNotTakenForItsOwn() throws Exception {
        Path socket = folder.resolve("qmp.sock");
        Path scratch = Files.createDirectory(folder.resolve("scratch"));
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket));
            long pid = ProcessHandle.current().pid();
            try (Guard guard = start(pid, socket, scratch)) {
                guard.awaitReady();
                guard.pausing();
            }
            // We are gone with the guest paused.
            assertThat(requests(server))
                    .containsExactly(
                            "qmp_capabilities",
                            "cont",
                            "migrate_cancel",
                            "cont",
                            "query-status",
                            "migrate-set-parameters");
            assertThat(requests(server))
                    .as("once more, when all has ended")
                    .containsExactly("qmp_capabilities", "migrate-set-parameters");
            await().atMost(SOON).until(() -> Files.notExists(scratch));
        }
    }

    @Test
    void aGuestThatALateErrorStopsIsResumedOnceMore() throws Exception {
        Path socket = folder.resolve("qmp.sock");
        Path scratch = Files.createDirectory(folder.resolve("scratch"));
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket));
            try (Guard guard = start(ProcessHandle.current().pid(), socket, scratch)) {
                guard.awaitReady();
                guard.pausing();
                guard.errors();
            }
            assertThat(requests(server)).contains("cont", "query-status");
            // The guard's other thread puts settings back meanwhile.
            List<String> later = new ArrayList<>();
            while (!later.contains("cont")) {
                later.addAll(requests(server, "io-error"));
            }
            assertThat(later).containsSubsequence("query-status", "cont");
            List<String> end = requests(server);
            while (end.contains("migrate-set-parameters")) {
                end = requests(server);
            }
            assertThat(end).containsExactly("qmp_capabilities", "query-status");
        }
    }

    @Test
    void guardThatIsReadyIsAsUrgentAsWhatItTakesOverAndWeAreAsBefore() throws Exception {
        Path ours = Path.of("/proc/self/autogroup");
        assumeTrue(Files.exists(ours), "a kernel without autogroups");
        Thread trial =
                Thread.ofPlatform()
                        .start(() -> mayBeUrgent = ThreadPriority.trySetNicenessOfThisThread(-1));
        trial.join();
        String before = Files.readString(ours);
        Path socket = folder.resolve("qmp.sock");
        Path scratch = Files.createDirectory(folder.resolve("scratch"));
        try (Guard guard = start(ProcessHandle.current().pid(), socket, scratch)) {
            guard.awaitReady();
            Path its = Path.of("/proc/" + childOf(scratch) + "/autogroup");
            assertThat(Files.readString(its)).endsWith(mayBeUrgent ? "nice -5\n" : "nice 0\n");
        }
        assertThat(Files.readString(ours)).isEqualTo(before);
    }

    private static long childOf(Path argument) {
        return ProcessHandle.current()
                .children()
                .filter(child ->
                        child.info().commandLine().orElse("").contains(argument.toString()))
                .findFirst()
                .orElseThrow()
                .pid();
    }

    private static Guard start(long pid, Path socket, Path scratch) throws VmckptException {
        return Guard.start(pid + ":" + socket, UNDO, scratch, Optional.empty());
    }

    /** It may have been started to stay paused. */
    @Test
    void anotherGuestAtTheSocketOfOneThatEndedIsLeftAlone() throws Exception {
        Path socket = folder.resolve("qmp.sock");
        Path scratch = Files.createDirectory(folder.resolve("scratch"));
        Process qemu = new ProcessBuilder("sleep", "600").start();
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket));
            try (Guard guard = start(qemu.pid(), socket, scratch)) {
                guard.awaitReady();
                guard.pausing();
                qemu.destroyForcibly().waitFor();
            }
            await().atMost(SOON).until(() -> Files.notExists(scratch));
            server.configureBlocking(false);
            assertThat(server.accept()).isNull();
        } finally {
            qemu.destroyForcibly();
        }
    }

    /** What one connection asks for; its first cont is refused. */
    private static List<String> requests(ServerSocketChannel server) throws IOException {
        return requests(server, "running");
    }

    private static List<String> requests(ServerSocketChannel server, String status)
            throws IOException {
        List<String> requests = new ArrayList<>();
        try (SocketChannel peer = server.accept()) {
            say(peer, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}");
            say(peer, "{\"return\": {}, \"id\": 41}");
            say(peer, "{\"return\": {}}");
            BufferedReader in =
                    new BufferedReader(
                            new InputStreamReader(
                                    Channels.newInputStream(peer), StandardCharsets.UTF_8));
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                JsonNode request = Json.MAPPER.readTree(line);
                boolean refused =
                        request.path("execute").asText().equals("cont")
                                && !requests.contains("cont");
                requests.add(request.path("execute").asText());
                say(peer, "{\"event\": \"RESUME\", \"data\": {}}");
                say(peer, answer(request, refused, status));
            }
        }
        return requests;
    }

    /** In QEMU's order and with its spaces. */
    private static String answer(JsonNode request, boolean refused, String status) {
        ObjectNode error = Json.MAPPER.createObjectNode().put("class", "GenericError");
        error.put("desc", "it will \"return\": later");
        return refused
                ? "{\"id\": " + request.path("id") + ", \"error\": " + error + "}"
                : "{\"return\": {\"status\": \""
                        + status
                        + "\"}, \"id\": "
                        + request.path("id")
                        + "}";
    }

    private static void say(SocketChannel peer, String line) throws IOException {
        peer.write(ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8)));
    }
}
