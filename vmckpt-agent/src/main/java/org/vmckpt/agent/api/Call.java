package org.vmckpt.agent.api;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.util.Map;
import java.util.Optional;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.util.Fields;
import org.vmckpt.core.Json;

/**
 * One request that is allowed.
 *
 * @param parameters from the path
 */
record Call(Request request, Peer peer, Map<String, String> parameters, int maxBodyBytes) {
    private static final ObjectReader READER =
            Json.MAPPER.reader().with(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);

    String parameter(String name) {
        return parameters.getOrDefault(name, "");
    }

    Optional<String> query(String name) {
        Fields fields = Request.extractQueryParameters(request);
        return Optional.ofNullable(fields.getValue(name));
    }

    /** The body as one JSON object, checked against the shape of a record. */
    <T> T body(Class<T> type) throws BadRequestException {
        byte[] bytes;
        try {
            bytes = Content.Source.asInputStream(request).readNBytes(maxBodyBytes + 1);
        } catch (IOException e) {
            throw new BadRequestException(400, "the request ended before its body: " + e);
        }
        if (bytes.length > maxBodyBytes) {
            throw new BadRequestException(
                    413, "the body is longer than limits.request, " + maxBodyBytes + " bytes");
        }
        try {
            T value = READER.forType(type).readValue(bytes);
            if (value == null) {
                throw new BadRequestException(400, "expected a JSON object");
            }
            return value;
        } catch (JsonProcessingException e) {
            throw new BadRequestException(
                    400, "the body is not as openapi.yaml describes it: " + e.getOriginalMessage());
        } catch (IOException e) {
            throw new IllegalStateException("reading from memory", e);
        }
    }
}
