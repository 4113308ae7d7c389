package org.vmckpt.cow.guestagent;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.guard.AgentChannel;

/** A guest agent that answers. */
public final class GuestAgent implements AutoCloseable {
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(5);
    private static final Duration CALL_LIMIT = Duration.ofSeconds(5);

    /** A guest writes back all that its file systems have not written yet. */
    private static final Duration FREEZE_LIMIT = Duration.ofSeconds(10);

    private final Path socket;
    private final AgentChannel channel;

    private GuestAgent(Path socket, AgentChannel channel) {
        this.socket = socket;
        this.channel = channel;
    }

    /** Fails when nobody answers in time. */
    public static GuestAgent connect(Path socket) throws VmckptException {
        try {
            return new GuestAgent(socket, AgentChannel.connect(socket, CONNECT_LIMIT));
        } catch (IOException e) {
            throw new TransportException(
                    "reach the guest agent over "
                            + socket
                            + ": "
                            + e.getMessage()
                            + "; look whether qemu-guest-agent runs in the guest, and whether"
                            + " somebody else (libvirt) is connected to its socket",
                    e);
        }
    }

    /** For {@link org.vmckpt.cow.guard.Thaw}. */
    public AgentChannel channel() {
        return channel;
    }

    /** How many file systems stand still now; when this fails, some may all the same. */
    public int freeze() throws VmckptException {
        return call("guest-fsfreeze-freeze", Json.MAPPER.createObjectNode(), FREEZE_LIMIT).asInt();
    }

    /** Sets the guest's clock. */
    public void setTime(Instant time) throws VmckptException {
        long nanos =
                Math.addExact(
                        Math.multiplyExact(time.getEpochSecond(), 1_000_000_000L), time.getNano());
        call("guest-set-time", Json.MAPPER.createObjectNode().put("time", nanos), CALL_LIMIT);
    }

    private JsonNode call(String command, ObjectNode arguments, Duration limit)
            throws VmckptException {
        ObjectNode request = Json.MAPPER.createObjectNode().put("execute", command);
        if (!arguments.isEmpty()) {
            request.set("arguments", arguments);
        }
        JsonNode answer;
        try {
            answer = Json.MAPPER.readTree(channel.call(request.toString(), limit));
        } catch (JsonProcessingException e) {
            throw failure(command, "its answer is no JSON", e);
        } catch (IOException e) {
            throw new TransportException(
                    "ask the guest agent for "
                            + command
                            + " over "
                            + socket
                            + ": "
                            + e.getMessage()
                            + " ("
                            + limit.toSeconds()
                            + " s)",
                    e);
        }
        if (!answer.has("return")) {
            throw failure(
                    command, answer.path("error").path("desc").asText("no reason given"), null);
        }
        return answer.path("return");
    }

    private ProtocolException failure(String command, String why, @Nullable Exception cause) {
        String message =
                "ask the guest agent for " + command + " over " + socket + ": it refused: " + why;
        return cause == null
                ? new ProtocolException(message)
                : new ProtocolException(message, cause);
    }

    @Override
    public void close() {
        channel.close();
    }
}
