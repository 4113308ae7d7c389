package org.vmckpt.agent.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.agent.api.UnixHttp.Reply;

/** The API over its socket, with clients that mean well and others. */
class ApiServerTest {
    private static ApiFixture agent;

    @BeforeAll
    static void start() throws Exception {
        agent = ApiFixture.start();
    }

    @AfterAll
    static void stop() throws Exception {
        agent.close();
    }

    private static Reply get(String path) throws IOException {
        return agent.http().get(path);
    }

    private static Reply submit(String body) throws IOException {
        return agent.http().request("POST", "/v1/jobs", body);
    }

    @Test
    void healthNamesTheStoreAndTheUser() throws Exception {
        Reply reply = get("/v1/health");
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.json().path("user").asText()).isEqualTo(System.getProperty("user.name"));
        assertThat(reply.json().path("store").asText())
                .isEqualTo(agent.folder().resolve("store").toRealPath().toString());
    }

    @Test
    void aPageOfABrowserMayLookAndChangeNothing() throws Exception {
        Reply page = get("/");
        assertThat(page.head()).contains("text/html", "script-src 'self'");
        for (String file : List.of("page.js", "page.css", "chart.js")) {
            assertThat(page.body()).contains("/page/" + file);
            assertThat(get("/page/" + file).status()).as(file).isEqualTo(200);
        }
        assertThat(get("/page/index.html").status()).isEqualTo(404);
        String from =
                " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: http://evil\r\n";
        assertThat(agent.http().raw("GET /v1/health" + from + "\r\n").status()).isEqualTo(200);
        String body = "{\"kind\": \"checkpoint\", \"guest\": \"vm1\"}";
        Reply refused =
                agent.http()
                        .raw(
                                "POST /v1/jobs"
                                        + from
                                        + "Content-Length: "
                                        + body.length()
                                        + "\r\n\r\n"
                                        + body);
        assertThat(refused.status()).isEqualTo(403);
    }

    @Test
    void socketIsRootsAlone() throws Exception {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(agent.socket())))
                .isEqualTo("rw-------");
        assertThat(agent.folder().resolve("agent.sock.new")).doesNotExist();
    }

    @Test
    void checkpointOfAGuestThatIsNotThereFailsAndSaysSo() throws Exception {
        Reply reply = submit("{\"kind\": \"checkpoint\", \"guest\": \"vm1\"}");
        assertThat(reply.status()).isEqualTo(202);
        String id = reply.json().path("id").asText();
        Reply events = get("/v1/jobs/" + id + "/events");
        assertThat(events.head()).contains("text/event-stream");
        List<String> data =
                events.body().lines().filter(line -> line.startsWith("data: ")).toList();
        assertThat(data.getLast()).contains("\"state\":\"failed\"").contains("\"not-found\"");
        assertThat(get("/v1/jobs/" + id).json().path("error").path("message").asText())
                .contains("vm1.sock");
        assertThat(get("/v1/guests/vm1").json().path("lastFailure").path("kind").asText())
                .isEqualTo("not-found");
        assertThat(get("/metrics").body())
                .contains(
                        "vmckpt_checkpoint_failures_total{cause=\"not-found\",guest=\"vm1\"} 1.0");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "null",
                "[]",
                "{",
                "{\"kind\": \"reboot\"}",
                "{\"kind\": \"checkpoint\"}",
                "{\"kind\": \"checkpoint\", \"guest\": \"vm1\", \"unknown\": 1}",
                "{\"kind\": \"checkpoint\", \"guest\": \"vm1\", \"hooks\": \"/tmp/mine\"}",
                "{\"kind\": \"checkpoint\", \"guest\": \"vm1\", \"webhook\": \"http://me\"}",
                "{\"kind\": \"checkpoint\", \"guest\": \"vm1\", \"engine\": \"warp\"}",
                "{\"kind\": \"checkpoint\", \"guest\": \"vm1\", \"name\": \"a\\nb\"}",
                "{\"kind\": \"checkpoint\", \"guest\": \"vm1\", \"name\": \"\"}",
                "{\"kind\": \"checkpoint\", \"guest\": \"vm1\", \"cowBudgetBytes\": -1}",
                "{\"kind\": \"checkpoint\", \"guest\": \"vm1\", \"drainTimeoutMillis\": 0}",
                "{\"kind\": \"checkpoint\", \"guest\": \"qmp:relative\"}",
                "{\"kind\": \"checkpoint\", \"guest\": \"qmp:/a\\u0000b\"}",
                "{\"kind\": \"verify\"}"
            })
    void wrongBodiesAreRefusedWithTheReason(String body) throws Exception {
        Reply reply = submit(body);
        assertThat(reply.status()).as(reply.body()).isEqualTo(400);
        assertThat(reply.json().path("error").path("kind").asText()).isEqualTo("usage");
        assertThat(reply.json().path("error").path("message").asText()).isNotEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/v1/guests/..%2f..%2fetc%2fpasswd",
                "/v1/guests/%2e%2e",
                "/v1/checkpoints/..%2Fstate%2Fx",
                "/v1/checkpoints/%00",
                "/v1/checkpoints/../../vmckpt-store.json",
                "/v1/jobs/..%5c..",
                "/etc/passwd",
                "/v1/schedules/x;y/run"
            })
    void namesThatLeaveTheirPlaceFindNothing(String path) throws Exception {
        assertThat(get(path).status()).isIn(400, 404, 405);
    }

    @Test
    void guestNamesAreOnlyLookedUp() throws Exception {
        for (String guest : List.of("../vm1", "vm1/../vm2", "vm1 --full", "$(id)", "")) {
            Reply reply = submit("{\"kind\": \"checkpoint\", \"guest\": \"" + guest + "\"}");
            assertThat(reply.status()).isIn(400, 404);
        }
    }

    @Test
    void otherMethodsAndPathsAreNamedSo() throws Exception {
        assertThat(agent.http().request("PUT", "/v1/jobs", "{}").status()).isEqualTo(405);
        assertThat(get("/v2/health").status()).isEqualTo(404);
    }

    @Test
    void longBodiesAndHeadersAreCutOff() throws Exception {
        assertThat(submit("{\"kind\": \"" + "x".repeat(70_000) + "\"}").status()).isEqualTo(413);
        String header = "X-Long: " + "x".repeat(20_000);
        assertThat(
                        agent.http()
                                .raw("GET /v1/health HTTP/1.1\r\nHost: a\r\n" + header + "\r\n\r\n")
                                .status())
                .isEqualTo(431);
    }

    @Test
    void nonsenseIsAnsweredAndClosed() throws Exception {
        assertThat(agent.http().raw("\u0016\u0003\u0001 nonsense\r\n\r\n").status()).isEqualTo(400);
    }

    @Test
    void thousandSilentClientsHoldNobodyUp() throws Exception {
        List<SocketChannel> silent = new ArrayList<>();
        try {
            for (int i = 0; i < 1000; i++) {
                SocketChannel client = agent.http().connect();
                silent.add(client);
                if (i % 3 == 1) {
                    begin(client, "GET /v1/hea");
                } else if (i % 3 == 2) {
                    begin(
                            client,
                            "POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{");
                }
            }
            assertThat(get("/v1/health").status()).isEqualTo(200);
            // Too many for limits.connections: the silent ones are closed, long before their 30 s.
            SocketChannel first = silent.getFirst();
            assertThat(first.read(ByteBuffer.allocate(1))).isEqualTo(-1);
            assertThat(get("/v1/health").status()).isEqualTo(200);
        } finally {
            for (SocketChannel client : silent) {
                client.close();
            }
        }
    }

    private static void begin(SocketChannel client, String text) {
        try {
            client.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
        } catch (IOException e) {
            // On a busy host it was silent for too long already.
        }
    }

    @Test
    void secondAgentOnTheSocketIsRefused() {
        org.assertj.core.api.Assertions.assertThatThrownBy(() -> ApiFixture.start(agent.folder()))
                .hasMessageContaining("another one runs");
    }
}
