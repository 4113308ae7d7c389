package org.vmckpt.core.qmp;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;

/**
 * A command that QEMU has, but for its end. QEMU takes one byte from its monitor in each round of a
 * loop, 3 to 7 µs a byte: a command of some hundred bytes that is staged while QEMU is at the one
 * before costs the guest's pause a millisecond less.
 *
 * <p>Whatever else is sent first makes QEMU forget what it has of this one; then it is sent whole.
 */
public final class StagedCommand {
    private final QmpClient client;
    private final String command;
    private final byte[] line;
    private final long id;
    private final CompletableFuture<JsonNode> answer = new CompletableFuture<>();

    StagedCommand(QmpClient client, String command, ObjectNode arguments, long id) {
        this.client = client;
        this.command = command;
        this.line = line(command, arguments, id);
        this.id = id;
    }

    static byte[] line(String command, ObjectNode arguments, long id) {
        ObjectNode message = Json.MAPPER.createObjectNode();
        message.put("execute", command);
        if (!arguments.isEmpty()) {
            message.set("arguments", arguments);
        }
        message.put("id", id);
        return (message + "\n").getBytes(StandardCharsets.UTF_8);
    }

    String command() {
        return command;
    }

    byte[] line() {
        return line;
    }

    long id() {
        return id;
    }

    CompletableFuture<JsonNode> answer() {
        return answer;
    }

    /**
     * Lets QEMU read all but the end. Nothing happens before {@link #send}, which may never come.
     */
    public StagedCommand stage() throws VmckptException {
        client.begin(this);
        return this;
    }

    /** Gives QEMU the rest, or all of it; {@link #await} takes the answer. */
    public StagedCommand send() throws VmckptException {
        client.complete(this);
        return this;
    }

    /** Waits for the answer, after {@link #send}. */
    public JsonNode await(Duration timeout) throws VmckptException {
        return client.await(command, answer, timeout);
    }
}
