package org.vmckpt.agent.api;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpMethod;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.ErrorKind;
import org.vmckpt.core.VmckptException;

/** From a request to its answer, in a virtual thread, which may wait. */
final class ApiHandler extends Handler.Abstract {
    private static final Logger LOG = LoggerFactory.getLogger(ApiHandler.class);

    /** The page is ours alone, and in nobody's frame. */
    private static final String CONTENT_POLICY =
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:;"
                    + " connect-src 'self'; base-uri 'none'; form-action 'none';"
                    + " frame-ancestors 'none'";

    private final Routes routes;
    private final PeerCheck peers;
    private final int maxBodyBytes;
    private final EventStreams streams = new EventStreams();

    ApiHandler(Routes routes, PeerCheck peers, int maxBodyBytes) {
        this.routes = routes;
        this.peers = peers;
        this.maxBodyBytes = maxBodyBytes;
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) {
        switch (answer(request)) {
            case Answer.Whole whole -> send(whole, response, callback);
            case Answer.Events events -> {
                if (!streams.serve(events.job(), response, callback)) {
                    send(tooManyStreams(), response, callback);
                }
            }
        }
        return true;
    }

    private static Answer.Whole tooManyStreams() {
        return (Answer.Whole)
                Answer.error(
                        HttpStatus.SERVICE_UNAVAILABLE_503,
                        ErrorKind.CONFLICT,
                        "too many clients follow jobs; ask for the job's state instead");
    }

    private Answer answer(Request request) {
        try {
            Peer peer = peers.require(request);
            Optional<Routes.Match> match = routes.find(Request.getPathInContext(request));
            if (match.isEmpty()) {
                return Answer.error(
                        HttpStatus.NOT_FOUND_404,
                        ErrorKind.NOT_FOUND,
                        "there is no such path; /v1/openapi.yaml lists all");
            }
            Endpoint endpoint = match.get().methods().get(request.getMethod());
            if (endpoint == null) {
                return Answer.error(
                        HttpStatus.METHOD_NOT_ALLOWED_405,
                        ErrorKind.USAGE,
                        "this path takes " + String.join(", ", match.get().methods().keySet()));
            }
            if (request.getHeaders().contains(HttpHeader.ORIGIN)
                    && !HttpMethod.GET.is(request.getMethod())) {
                // Browsers always send it: any page that somebody looks at could ask for this.
                return Answer.error(
                        HttpStatus.FORBIDDEN_403,
                        ErrorKind.REFUSED,
                        "a web page may look, and change nothing");
            }
            return endpoint.answer(new Call(request, peer, match.get().parameters(), maxBodyBytes));
        } catch (BadRequestException e) {
            return Answer.error(e.status(), ErrorKind.USAGE, String.valueOf(e.getMessage()));
        } catch (VmckptException e) {
            ErrorKind kind = ErrorKind.of(e);
            return Answer.error(Answer.status(kind), kind, String.valueOf(e.getMessage()));
        } catch (RuntimeException e) {
            LOG.error("{} {} met a bug", request.getMethod(), request.getHttpURI().getPath(), e);
            return Answer.error(
                    HttpStatus.INTERNAL_SERVER_ERROR_500,
                    ErrorKind.BUG,
                    "unexpected error, please report it as a bug: " + e);
        }
    }

    private static void send(Answer.Whole answer, Response response, Callback callback) {
        response.setStatus(answer.status());
        response.getHeaders().put(HttpHeader.CONTENT_TYPE, answer.contentType());
        response.getHeaders().put("X-Content-Type-Options", "nosniff");
        response.getHeaders().put("Content-Security-Policy", CONTENT_POLICY);
        response.getHeaders().put(HttpHeader.CACHE_CONTROL, "no-store");
        byte[] body = answer.body().getBytes(StandardCharsets.UTF_8);
        response.getHeaders().put(HttpHeader.CONTENT_LENGTH, body.length);
        response.write(true, ByteBuffer.wrap(body), callback);
    }

    /** What a broken connection says is of no use to anybody. */
    static void ended(IOException cause, Callback callback) {
        LOG.debug("a client went away: {}", cause.toString());
        callback.failed(cause);
    }
}
