package org.vmckpt.agent.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.util.UrlEncoded;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The script that libvirt runs, against agents of all kinds. */
@Timeout(180)
final class LibvirtHookTest {
    private static final String SCRIPT =
            Path.of("src/main/dist/libvirt/vmckpt").toAbsolutePath().toString();
    private static final String ODD = "a b&operation=x#\"$(touch hit)\n%41ü";

    /** Far more than the script takes, far less than libvirt would mind. */
    private static final int LIMIT_SECONDS = 60;

    @TempDir Path folder;

    private void run(String path, String domain) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(SCRIPT, domain, "stopped", "end", "-");
        builder.environment().put("VMCKPT_AGENT", folder.resolve("agent.sock").toString());
        builder.environment().put("PATH", path);
        Process process = builder.redirectErrorStream(true).directory(folder.toFile()).start();
        // libvirt writes the domain's XML.
        process.getOutputStream().write("<domain/>".getBytes(StandardCharsets.UTF_8));
        assertThat(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isZero();
        assertThat(process.getInputStream().readAllBytes()).isEmpty();
        assertThat(folder.resolve("hit")).doesNotExist();
    }

    private ServerSocketChannel listen() throws Exception {
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        return server.bind(UnixDomainSocketAddress.of(folder.resolve("agent.sock")));
    }

    /** A PATH with the one or the other, and with neither. */
    private String pathWith(String tool) throws Exception {
        Path bin = Files.createDirectories(folder.resolve("bin"));
        for (String name : new String[] {tool, "timeout"}) {
            Path program = Path.of("/usr/bin", name);
            if (Files.exists(program)) {
                Path script = bin.resolve(name);
                Files.writeString(script, "#!/bin/sh\nexec " + program + " \"$@\"\n");
                assertThat(script.toFile().setExecutable(true)).isTrue();
            }
        }
        return bin.toString();
    }

    @ParameterizedTest
    @ValueSource(strings = {"curl", "perl"})
    void theAgentIsToldAndNamesAreData(String tool) throws Exception {
        try (ServerSocketChannel server = listen()) {
            CompletableFuture<String> request =
                    CompletableFuture.supplyAsync(() -> requestLine(server));
            run(pathWith(tool), ODD);
            String[] words = request.get().split(" ", 3);
            assertThat(words[0]).isEqualTo("POST");
            String query = words[1].substring(words[1].indexOf('?') + 1);
            assertThat(words[1]).startsWith("/v1/libvirt/events?");
            UrlEncoded.decodeTo(
                    query,
                    (name, value) -> {
                        String expected =
                                switch (name) {
                                    case "domain" -> ODD;
                                    case "operation" -> "stopped";
                                    default -> "end";
                                };
                        assertThat(value).as(name).isEqualTo(expected);
                    },
                    StandardCharsets.UTF_8);
        }
    }

    private static String requestLine(ServerSocketChannel server) {
        try (SocketChannel client = server.accept()) {
            ByteBuffer bytes = ByteBuffer.allocate(4096);
            client.read(bytes);
            client.write(
                    ByteBuffer.wrap(
                            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
                                    .getBytes(StandardCharsets.US_ASCII)));
            return new String(bytes.array(), 0, bytes.position(), StandardCharsets.US_ASCII)
                    .lines()
                    .findFirst()
                    .orElse("");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"curl", "perl", "neither"})
    void anAgentThatNeverAnswersHoldsNobodyUp(String tool) throws Exception {
        try (ServerSocketChannel _ = listen()) {
            run(pathWith(tool), "vm1");
        }
    }

    @Test
    void withoutAnAgentNothingHappens() throws Exception {
        run(System.getenv("PATH"), "vm1");
        listen().close();
        run(System.getenv("PATH"), "vm1");
    }
}
