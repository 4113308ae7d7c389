package org.vmckpt.agent.api;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.vmckpt.core.Json;

/** A client that sends what it is told byte for byte, right or wrong. */
final class UnixHttp {
    private final Path socket;

    UnixHttp(Path socket) {
        this.socket = socket;
    }

    /** What came back. */
    record Reply(int status, String head, String body) {
        JsonNode json() throws IOException {
            return Json.MAPPER.readTree(body);
        }
    }

    SocketChannel connect() throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        channel.connect(UnixDomainSocketAddress.of(socket));
        return channel;
    }

    Reply request(String method, String path, String body) throws IOException {
        return raw(
                method
                        + " "
                        + path
                        + " HTTP/1.1\r\nHost: agent\r\nConnection: close\r\nContent-Length: "
                        + body.getBytes(StandardCharsets.UTF_8).length
                        + "\r\n\r\n"
                        + body);
    }

    Reply get(String path) throws IOException {
        return request("GET", path, "");
    }

    /** Sends the text and reads until the server closes. */
    Reply raw(String text) throws IOException {
        try (SocketChannel channel = connect()) {
            try {
                ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
            } catch (IOException e) {
                // The server has said all that it wants to say.
            }
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            ByteBuffer part = ByteBuffer.allocate(8192);
            try {
                while (channel.read(part.clear()) >= 0) {
                    all.write(part.array(), 0, part.position());
                }
            } catch (IOException e) {
                // As above.
            }
            return parse(all.toString(StandardCharsets.UTF_8));
        }
    }

    private static Reply parse(String reply) {
        if (reply.isEmpty()) {
            return new Reply(0, "", "");
        }
        int end = reply.indexOf("\r\n\r\n");
        String head = reply.substring(0, end);
        String body = reply.substring(end + 4);
        if (head.contains("chunked")) {
            body = unchunk(body);
        }
        return new Reply(Integer.parseInt(head.split(" ", 3)[1]), head, body);
    }

    private static String unchunk(String body) {
        StringBuilder whole = new StringBuilder();
        for (int at = 0; ; ) {
            int line = body.indexOf("\r\n", at);
            int length = Integer.parseInt(body.substring(at, line), 16);
            if (length == 0) {
                return whole.toString();
            }
            whole.append(body, line + 2, line + 2 + length);
            at = line + 2 + length + 2;
        }
    }
}
