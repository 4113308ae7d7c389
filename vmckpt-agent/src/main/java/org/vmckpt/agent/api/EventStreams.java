package org.vmckpt.agent.api;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.vmckpt.agent.job.Job;
import org.vmckpt.core.Json;

/**
 * Changes of jobs as server-sent events. A client that reads slowly holds up its own thread alone;
 * it misses changes, and never the last.
 */
final class EventStreams {
    /** Each has a thread and waits for up to a job's whole life. */
    private static final int MOST = 64;

    /** A sign of life, so that neither side takes the connection for dead. */
    private static final Duration HEARTBEAT = Duration.ofMillis(500);

    /** More often is of no use to people. */
    private static final long SHORTEST_GAP_MILLIS = 20;

    private final Semaphore free = new Semaphore(MOST);

    /** Returns false when there are too many. */
    boolean serve(Job job, Response response, Callback callback) {
        if (!free.tryAcquire()) {
            return false;
        }
        response.setStatus(200);
        response.getHeaders().put(HttpHeader.CONTENT_TYPE, "text/event-stream");
        response.getHeaders().put(HttpHeader.CACHE_CONTROL, "no-store");
        try {
            // Closing it ends the answer.
            try (OutputStream out = Content.Sink.asOutputStream(response)) {
                send(job, out);
            }
            callback.succeeded();
        } catch (IOException e) {
            ApiHandler.ended(e, callback);
        } catch (InterruptedException e) {
            callback.failed(e);
        } finally {
            free.release();
        }
        return true;
    }

    private static void send(Job job, OutputStream out) throws IOException, InterruptedException {
        long seen = -1;
        for (boolean ended = false; !ended; ) {
            Optional<Job.Change> change = job.awaitChange(seen, HEARTBEAT);
            String text = ":\n\n";
            if (change.isPresent()) {
                seen = change.get().version();
                ended = change.get().view().state().isEnd();
                text =
                        "event: job\nid: "
                                + seen
                                + "\ndata: "
                                + Json.MAPPER.writeValueAsString(change.get().view())
                                + "\n\n";
            }
            out.write(text.getBytes(StandardCharsets.UTF_8));
            out.flush();
            Thread.sleep(ended ? 0 : SHORTEST_GAP_MILLIS);
        }
    }
}
