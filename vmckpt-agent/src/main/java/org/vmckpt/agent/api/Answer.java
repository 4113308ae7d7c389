package org.vmckpt.agent.api;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.Map;
import org.vmckpt.agent.job.Job;
import org.vmckpt.core.ErrorKind;
import org.vmckpt.core.Json;

/** What an endpoint says. */
sealed interface Answer {
    /** All of it at once. */
    record Whole(int status, String contentType, String body) implements Answer {}

    /** The changes of a job, until its end. */
    record Events(Job job) implements Answer {}

    static Answer json(int status, Object value) {
        try {
            return new Whole(status, "application/json", Json.MAPPER.writeValueAsString(value));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("an answer has no JSON form: " + value, e);
        }
    }

    static Answer ok(Object value) {
        return json(200, value);
    }

    static Answer error(int status, ErrorKind kind, String message) {
        return json(status, Map.of("error", Map.of("kind", kind.text(), "message", message)));
    }

    static Answer text(String contentType, String text) {
        return new Whole(200, contentType, text);
    }

    /** Which status tells a client of this error. */
    static int status(ErrorKind kind) {
        return switch (kind) {
            case NOT_FOUND -> 404;
            case CONFLICT -> 409;
            case REFUSED -> 403;
            case UNSUPPORTED -> 422;
            case USAGE -> 400;
            case TRANSPORT, PROTOCOL -> 502;
            case BUG, CORRUPT -> 500;
            case STORAGE -> 507;
        };
    }
}
