package org.vmckpt.cow.hook;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.vmckpt.core.ErrorKind;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;

/**
 * What a hook is told, as {@code docs/hooks.md} lists it. Names of guests and checkpoints are
 * somebody else's text: they are values, never part of a command.
 *
 * @param fields text and numbers by name, in the order in which they are written
 */
public record HookMessage(HookEvent event, Map<String, Object> fields) {
    private static final String NO_CHARACTER = "\ufffd";

    /** Of one text. A hook that reads nothing still holds nobody up: all fits into its pipe. */
    private static final int MOST_CHARACTERS = 4096;

    /** The first fields of every message. */
    public static HookMessage of(HookEvent event, String operation) {
        return new HookMessage(event, Map.of())
                .with("event", event.text())
                .with("operation", operation)
                .with("time", Instant.now().toString());
    }

    public HookMessage with(String name, Object value) {
        Map<String, Object> more = new LinkedHashMap<>(fields);
        more.put(
                name,
                value instanceof String text && text.length() > MOST_CHARACTERS
                        ? text.substring(0, MOST_CHARACTERS)
                        : value);
        return new HookMessage(event, more);
    }

    public HookMessage with(String name, Optional<?> value) {
        return value.isPresent() ? with(name, (Object) value.get()) : this;
    }

    public HookMessage withError(Exception error) {
        ErrorKind kind =
                error instanceof VmckptException known ? ErrorKind.of(known) : ErrorKind.BUG;
        return with("errorKind", kind.text()).with("error", String.valueOf(error.getMessage()));
    }

    /** One line. */
    String json() {
        try {
            return Json.MAPPER.writeValueAsString(fields);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("text and numbers have a JSON form", e);
        }
    }

    /** {@code pauseMicros} is {@code VMCKPT_PAUSE_MICROS}. */
    Map<String, String> environment() {
        Map<String, String> variables = new LinkedHashMap<>();
        fields.forEach((name, value) ->
                variables.put(
                        "VMCKPT_" + name.replaceAll("([A-Z])", "_$1").toUpperCase(Locale.ROOT),
                        // A variable ends at a zero.
                        value.toString().replace("\0", NO_CHARACTER)));
        return variables;
    }
}
