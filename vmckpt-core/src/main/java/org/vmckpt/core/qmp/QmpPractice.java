package org.vmckpt.core.qmp;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;

/**
 * Makes and reads messages like those of a pause, once per JVM, so that the JIT has compiled what a
 * guest waits for: to read the two lines that tell of its stop took a millisecond the first time.
 * No QEMU takes part.
 */
public final class QmpPractice {
    private static final int MAX_ROUNDS = 400;
    private static final long LIMIT_NANOS = 300_000_000L;
    private static final Duration AT_ONCE = Duration.ofSeconds(1);
    private static final Path NOWHERE = Path.of("practice");
    private static final String EVENT =
            "{\"timestamp\": {\"seconds\": 1767225600, \"microseconds\": 123456},"
                    + " \"event\": \"STOP\"}\n";
    private static boolean done;

    private QmpPractice() {}

    public static synchronized void once() {
        if (done) {
            return;
        }
        done = true;
        long deadline = System.nanoTime() + LIMIT_NANOS;
        try {
            for (int i = 0; i < MAX_ROUNDS && System.nanoTime() < deadline; i++) {
                round(i);
            }
        } catch (VmckptException | IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void round(long id) throws VmckptException, IOException {
        ObjectNode arguments = Json.MAPPER.createObjectNode().put("filename", "file");
        byte[] command = StagedCommand.line("practice", arguments.put("live", false), id);
        String answer = "{\"return\": {}, \"id\": " + (id + command.length) + "}\n";
        EventListeners listeners = new EventListeners();
        try (EventWaiter stop = listeners.waitFor("STOP event", event -> event.is("STOP"))) {
            byte[] text = (EVENT + answer).getBytes(StandardCharsets.UTF_8);
            LineReader lines = new LineReader(new ByteArrayInputStream(text), text.length);
            for (String line = lines.next(); line != null; line = lines.next()) {
                JsonNode message = QmpSocket.parse(line, NOWHERE);
                if (message.has("event")) {
                    listeners.happened(QmpEvent.of(message));
                }
            }
            stop.await(AT_ONCE);
        }
    }
}
