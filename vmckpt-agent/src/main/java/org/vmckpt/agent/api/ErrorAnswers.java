package org.vmckpt.agent.api;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.vmckpt.core.ErrorKind;
import org.vmckpt.core.Json;

/** What the server itself refuses, a header that is too long for example, in our form of errors. */
final class ErrorAnswers implements Request.Handler {
    @Override
    public boolean handle(Request request, Response response, Callback callback)
            throws JsonProcessingException {
        int status = response.getStatus();
        byte[] body =
                Json.MAPPER
                        .writeValueAsString(
                                Map.of(
                                        "error",
                                        Map.of(
                                                "kind",
                                                ErrorKind.USAGE.text(),
                                                "message",
                                                status + " " + HttpStatus.getMessage(status))))
                        .getBytes(StandardCharsets.UTF_8);
        response.getHeaders().put(HttpHeader.CONTENT_TYPE, "application/json");
        response.write(true, ByteBuffer.wrap(body), callback);
        return true;
    }
}
