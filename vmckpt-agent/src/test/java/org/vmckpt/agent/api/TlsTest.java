package org.vmckpt.agent.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.StorageException;

/** The API over TCP: who has no valid certificate of ours does not get through the handshake. */
class TlsTest {
    private static final Path FOLDER = Path.of("src/test/resources/tls").toAbsolutePath();
    private static final char[] NO_PASSWORD = new char[0];

    private static ApiFixture agent;
    private static int port;

    @BeforeAll
    static void start() throws Exception {
        agent = startOnFreePort(3);
    }

    /** Somebody else may be quicker to take the port. */
    private static ApiFixture startOnFreePort(int attempts) throws Exception {
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        try {
            return ApiFixture.start(
                    "tcp: {address: '127.0.0.1:" + port + "'",
                    "certificate: " + FOLDER.resolve("agent.pem"),
                    "key: " + FOLDER.resolve("agent.key"),
                    "clients: " + FOLDER.resolve("authority.pem") + "}");
        } catch (StorageException e) {
            if (attempts == 1) {
                throw e;
            }
            return startOnFreePort(attempts - 1);
        }
    }

    @AfterAll
    static void stop() throws Exception {
        agent.close();
    }

    private static KeyStore store() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    private static Certificate certificate(String name) throws Exception {
        try (var in = Files.newInputStream(FOLDER.resolve(name + ".pem"))) {
            return CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
    }

    private static PrivateKey key(String name) throws Exception {
        String base64 = Files.readString(FOLDER.resolve(name + ".key")).replaceAll("-+.*-+", "");
        return KeyFactory.getInstance("EC")
                .generatePrivate(
                        new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(base64.strip())));
    }

    private static SSLContext context(String client) throws Exception {
        KeyStore trusted = store();
        trusted.setCertificateEntry("authority", certificate("authority"));
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);
        KeyStore own = store();
        if (!client.equals("nobody")) {
            own.setKeyEntry(
                    "client", key(client), NO_PASSWORD, new Certificate[] {certificate(client)});
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(own, NO_PASSWORD);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    private static HttpResponse<String> health(String client, String protocol) throws Exception {
        SSLParameters parameters = new SSLParameters();
        parameters.setProtocols(new String[] {protocol});
        try (HttpClient http =
                HttpClient.newBuilder()
                        .version(HttpClient.Version.HTTP_1_1)
                        .sslContext(context(client))
                        .sslParameters(parameters)
                        .build()) {
            URI uri = URI.create("https://localhost:" + port + "/v1/health");
            return http.send(
                    HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
        }
    }

    @Test
    void clientWithACertificateOfOursIsServedAndNamed() throws Exception {
        HttpResponse<String> answer = health("client", "TLSv1.3");
        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(answer.body()).contains("\"user\":\"CN=client\"");
    }

    @ParameterizedTest
    @ValueSource(strings = {"nobody", "unknown", "expired"})
    void othersAreRefusedInTheHandshake(String client) {
        assertThatThrownBy(() -> health(client, "TLSv1.3")).isInstanceOf(IOException.class);
    }

    @Test
    void olderProtocolsAreRefused() {
        assertThatThrownBy(() -> health("client", "TLSv1.2")).isInstanceOf(IOException.class);
    }

    @Test
    void plainHttpIsNotServed() throws Exception {
        try (Socket plain = new Socket("localhost", port)) {
            plain.getOutputStream()
                    .write(
                            "GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n"
                                    .getBytes(StandardCharsets.UTF_8));
            assertThat(
                            new String(
                                    plain.getInputStream().readNBytes(100),
                                    StandardCharsets.ISO_8859_1))
                    .doesNotContain("200 OK")
                    .doesNotContain("store");
        }
    }

    @Test
    void remoteClientsDoNotNameGuestsByTheirSocket() throws Exception {
        try (HttpClient http = HttpClient.newBuilder().sslContext(context("client")).build()) {
            HttpRequest request =
                    HttpRequest.newBuilder(URI.create("https://localhost:" + port + "/v1/jobs"))
                            .POST(
                                    HttpRequest.BodyPublishers.ofString(
                                            "{\"kind\":\"release\",\"guest\":\"qmp:/run/x\"}"))
                            .build();
            assertThat(http.send(request, HttpResponse.BodyHandlers.ofString()).statusCode())
                    .isEqualTo(403);
        }
    }
}
