package org.vmckpt.testvm;

import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import org.vmckpt.core.Json;
import org.vmckpt.cow.guard.AgentChannel;

/** Looks into a guest through its agent, over a connection for each look: QEMU serves one. */
public record AgentProbe(Path socket) {
    private static final Duration SOON = Duration.ofMinutes(3);
    private static final Duration LIMIT = Duration.ofSeconds(30);

    /** Waits for the agent to start. */
    public void awaitAnswer() {
        await().atMost(SOON).ignoreExceptions().until(() -> status().equals("thawed"));
    }

    /** {@code thawed} or {@code frozen}. */
    public String status() throws IOException {
        return call("guest-fsfreeze-status").asText();
    }

    public void setTime(Instant time) throws IOException {
        call("guest-set-time", "\"time\": " + time.toEpochMilli() * 1_000_000);
    }

    public Instant time() throws IOException {
        return Instant.ofEpochMilli(call("guest-get-time").asLong() / 1_000_000);
    }

    /** Its file systems go on being written. */
    public void awaitWrites() {
        // A read can meet the file while it is being written, and empty.
        long now = await().atMost(SOON).ignoreExceptions().until(this::count, _ -> true);
        await().atMost(SOON).ignoreExceptions().until(() -> count() > now + 2);
    }

    private long count() throws IOException {
        long handle = call("guest-file-open", "\"path\": \"/tmp/count\"").asLong();
        String read = call("guest-file-read", "\"handle\": " + handle).path("buf-b64").asText();
        call("guest-file-close", "\"handle\": " + handle);
        String text = new String(Base64.getDecoder().decode(read), StandardCharsets.US_ASCII);
        if (text.isBlank()) {
            throw new IOException("it is just being written");
        }
        return Long.parseLong(text.strip());
    }

    private JsonNode call(String command) throws IOException {
        return call(command, "");
    }

    private JsonNode call(String command, String arguments) throws IOException {
        try (AgentChannel agent = AgentChannel.connect(socket, LIMIT)) {
            String line =
                    "{\"execute\": \"%s\", \"arguments\": {%s}}".formatted(command, arguments);
            JsonNode answer = Json.MAPPER.readTree(agent.call(line, LIMIT));
            if (!answer.has("return")) {
                throw new IOException(answer.toString());
            }
            return answer.path("return");
        }
    }
}
