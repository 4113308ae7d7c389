package org.vmckpt.core.qmp;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;

/**
 * Something QEMU tells unasked.
 *
 * @param timestamp QEMU's wall clock when it happened, in microseconds resolution
 */
public record QmpEvent(String name, JsonNode data, Instant timestamp) {

    static QmpEvent of(JsonNode message) {
        JsonNode time = message.path("timestamp");
        return new QmpEvent(
                message.path("event").asText(),
                message.path("data"),
                Instant.ofEpochSecond(
                        Math.max(0, time.path("seconds").asLong()),
                        Math.max(0, time.path("microseconds").asLong()) * 1000));
    }

    public boolean is(String wanted) {
        return name.equals(wanted);
    }
}
