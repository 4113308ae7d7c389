package org.vmckpt.core.qmp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.Json;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.TransportException;

/** Against a peer that speaks bytes of our choosing; StagedCommandIT and others speak with QEMU. */
class QmpClientTest {
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final String GREETING =
            "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7},"
                    + " \"package\": \"Debian\"}, \"capabilities\": [\"oob\"]}}\n"
                    + "{\"return\": {}, \"id\": 0}\n";

    @TempDir Path folder;
    private Path socket;
    private ServerSocketChannel server;

    @BeforeEach
    void listen() throws IOException {
        socket = folder.resolve("qmp.sock");
        server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(socket));
    }

    @AfterEach
    void close() throws IOException {
        server.close();
    }

    /** Sends the first line at once, and one more after each request. */
    private void peerSays(String text, boolean thenClose) {
        Thread.ofVirtual()
                .start(() -> {
                    try {
                        SocketChannel peer = server.accept();
                        boolean first = true;
                        for (String line : text.lines().map(part -> part + "\n").toList()) {
                            if (!first) {
                                peer.read(ByteBuffer.allocate(1 << 12));
                            }
                            first = false;
                            peer.write(ByteBuffer.wrap(line.getBytes(StandardCharsets.UTF_8)));
                        }
                        if (thenClose) {
                            peer.close();
                        }
                    } catch (IOException e) {
                        throw new AssertionError(e);
                    }
                });
    }

    @Test
    void greetingTellsTheVersion() throws Exception {
        peerSays(GREETING, false);
        try (QmpClient client = QmpClient.connect(socket, SOON, 0)) {
            assertThat(client.version().number()).isEqualTo("7.2.22");
            assertThat(client.version().packageName()).isEqualTo("Debian");
        }
    }

    @Test
    void errorAnswerNamesTheCommandAndQemusReason() throws Exception {
        peerSays(
                GREETING
                        + "{\"id\": 1, \"error\": {\"class\": \"GenericError\", \"desc\": \"no such"
                        + " thing\"}}\n",
                false);
        try (QmpClient client = QmpClient.connect(socket, SOON, 0)) {
            assertThatThrownBy(() -> client.execute("query-status"))
                    .isInstanceOf(ProtocolException.class)
                    .hasMessageContaining("query-status")
                    .hasMessageContaining("no such thing");
        }
    }

    @Test
    void closedConnectionFailsWaitersAndLaterCommands() throws Exception {
        peerSays(GREETING, true);
        try (QmpClient client = QmpClient.connect(socket, SOON, 0);
                EventWaiter waiter = client.waitFor("STOP", event -> event.is("STOP"))) {
            assertThatThrownBy(() -> waiter.await(SOON))
                    .isInstanceOf(TransportException.class)
                    .hasMessageContaining("ended or was killed");
            assertThatThrownBy(() -> client.execute("stop")).isInstanceOf(TransportException.class);
        }
    }

    @Test
    void missingSocketIsNotFound() {
        assertThatThrownBy(() -> QmpClient.connect(folder.resolve("none"), Duration.ofSeconds(1)))
                .isInstanceOf(NotFoundException.class)
                .hasMessageContaining("-qmp unix:");
    }

    @Test
    void plainFileIsNotFound() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "x");
        assertThatThrownBy(() -> QmpClient.connect(file, Duration.ofSeconds(1)))
                .isInstanceOf(NotFoundException.class)
                .hasMessageContaining("nobody listens");
    }

    @Test
    void monitorThatAnotherClientHoldsIsAConflictAndDoesNotHang() {
        assertThatThrownBy(() -> QmpClient.connect(socket, Duration.ofMillis(200)))
                .isInstanceOf(ConflictException.class)
                .hasMessageContaining("one QMP client at a time");
    }

    @Test
    void humanMonitorSocketIsNotQmp() {
        peerSays("QEMU 7.2.22 monitor - type 'help' for more information\r\n(qemu) ", false);
        assertThatThrownBy(() -> QmpClient.connect(socket, SOON, 0))
                .isInstanceOf(ProtocolException.class)
                .hasMessageContaining("not a QMP socket");
    }

    @Test
    void jsonThatIsNoGreetingIsNotQmp() {
        peerSays("{\"return\": {}}\n", false);
        assertThatThrownBy(() -> QmpClient.connect(socket, SOON, 0))
                .isInstanceOf(ProtocolException.class);
    }

    @Test
    void answersToACommandOfAKilledClientAreForNobody() throws Exception {
        CompletableFuture<Void> spoken =
                CompletableFuture.runAsync(this::answerAnotherFirst, Thread::startVirtualThread);
        try (QmpClient client = QmpClient.connect(socket, SOON)) {
            assertThat(client.execute("query-status").path("of").asText()).isEqualTo("this");
        }
        spoken.get();
    }

    private void answerAnotherFirst() {
        try (SocketChannel peer = server.accept()) {
            say(peer, GREETING.lines().findFirst().orElseThrow());
            for (int command = 0; command < 2; command++) {
                JsonNode request = Json.MAPPER.readTree(heard(peer));
                for (int id = 0; id < 10; id++) {
                    say(peer, "{\"return\": {\"of\": \"another\"}, \"id\": " + id + "}");
                }
                say(peer, "{\"return\": {\"of\": \"this\"}, \"id\": " + request.path("id") + "}");
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static String heard(SocketChannel peer) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(1 << 12);
        peer.read(bytes);
        return new String(bytes.array(), 0, bytes.position(), StandardCharsets.ISO_8859_1);
    }

    private static void say(SocketChannel peer, String line) throws IOException {
        peer.write(ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8)));
    }

    private record Conversation(QmpClient client, SocketChannel peer) implements AutoCloseable {
        String received() throws IOException {
            return heard(peer);
        }

        @Override
        public void close() throws IOException {
            peer.close();
            client.close();
        }
    }

    /** After the greeting the peer says what the test makes it say. */
    private Conversation conversation() throws Exception {
        CompletableFuture<SocketChannel> greeted = new CompletableFuture<>();
        Thread.ofVirtual()
                .start(() -> {
                    try {
                        SocketChannel peer = server.accept();
                        List<String> lines = GREETING.lines().toList();
                        say(peer, lines.getFirst());
                        assertThat(heard(peer)).contains("\"enable\":[\"oob\"]");
                        say(peer, lines.getLast());
                        greeted.complete(peer);
                    } catch (IOException | AssertionError e) {
                        greeted.completeExceptionally(e);
                    }
                });
        QmpClient client = QmpClient.connect(socket, SOON, 0);
        return new Conversation(client, greeted.get());
    }

    @Test
    void stagedCommandIsSentButForItsEnd() throws Exception {
        try (Conversation talk = conversation()) {
            StagedCommand stop = talk.client().stage("stop");
            assertThat(talk.received()).isEqualTo("{\"execute\":\"stop\",\"id\":1");
            stop.send();
            assertThat(talk.received()).isEqualTo("}\n");
            say(talk.peer(), "{\"return\": {\"a\": 1}, \"id\": 1}");
            assertThat(stop.await(SOON).path("a").asInt()).isEqualTo(1);
        }
    }

    @Test
    void otherCommandMakesThePeerForgetAStagedOneWhichIsThenSentWhole() throws Exception {
        try (Conversation talk = conversation()) {
            StagedCommand stop = talk.client().stage("stop");
            talk.received();
            CompletableFuture<JsonNode> unanswered =
                    talk.client().submit("cont", Json.MAPPER.createObjectNode());
            String sent = talk.received();
            String forgotten = "\u00ff\n";
            String cont = "{\"execute\":\"cont\",\"id\":2}\n";
            if (sent.equals(forgotten)) {
                sent += talk.received();
            }
            assertThat(sent).isEqualTo(forgotten + cont);
            assertThat(unanswered).isNotDone();
            stop.send();
            assertThat(talk.received()).isEqualTo("{\"execute\":\"stop\",\"id\":1}\n");
        }
    }

    @Test
    void aBatchIsSentInOnePieceWhenItIsClosed() throws Exception {
        try (Conversation talk = conversation()) {
            StagedCommand status = talk.client().stage("query-status");
            assertThat(talk.received()).isEqualTo("{\"execute\":\"query-status\",\"id\":1");
            StagedCommand cont = talk.client().command("cont");
            talk.peer().configureBlocking(false);
            try (QmpClient.Batch _ = talk.client().batch()) {
                status.send();
                talk.client().command("stop").send();
                cont.stage();
                assertThat(talk.received()).isEmpty();
                assertThatThrownBy(talk.client()::batch).isInstanceOf(IllegalStateException.class);
            }
            assertThat(talk.received())
                    .isEqualTo(
                            "}\n{\"execute\":\"stop\",\"id\":3}\n{\"execute\":\"cont\",\"id\":2");
            cont.send();
            assertThat(talk.received()).isEqualTo("}\n");
        }
    }
}
