package org.vmckpt.agent.client;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.eclipse.jetty.client.HttpClient;
import org.eclipse.jetty.client.InputStreamResponseListener;
import org.eclipse.jetty.client.Request;
import org.eclipse.jetty.client.Response;
import org.eclipse.jetty.client.StringRequestContent;
import org.eclipse.jetty.http.HttpMethod;
import org.eclipse.jetty.io.Transport;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.vmckpt.core.ErrorKind;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/** A client of one agent, over its Unix socket. */
public final class AgentClient implements AutoCloseable {
    private static final String BASE = "http://agent";
    private static final int ANSWER_SECONDS = 30;
    private static final int MAX_ANSWER_BYTES = 64 << 20;
    private static final String DATA = "data: ";

    private final HttpClient http;
    private final Path socket;

    private AgentClient(HttpClient http, Path socket) {
        this.http = http;
        this.socket = socket;
    }

    /** Nothing is sent yet. */
    public static AgentClient connect(Path socket) throws TransportException {
        HttpClient http = new HttpClient();
        QueuedThreadPool threads = new QueuedThreadPool(8);
        threads.setDaemon(true);
        http.setExecutor(threads);
        http.setUserAgentField(null);
        try {
            http.start();
        } catch (Exception e) {
            throw new TransportException("talk to the agent at " + socket + ": " + e, e);
        }
        return new AgentClient(http, socket);
    }

    public JsonNode get(String path) throws VmckptException {
        return send(request(HttpMethod.GET, path));
    }

    public JsonNode delete(String path) throws VmckptException {
        return send(request(HttpMethod.DELETE, path));
    }

    public JsonNode post(String path, ObjectNode body) throws VmckptException {
        return send(
                request(HttpMethod.POST, path)
                        .body(new StringRequestContent("application/json", body.toString())));
    }

    private Request request(HttpMethod method, String path) {
        return http.newRequest(BASE + path).transport(new Transport.TCPUnix(socket)).method(method);
    }

    private JsonNode send(Request request) throws VmckptException {
        try {
            InputStreamResponseListener listener = new InputStreamResponseListener();
            request.timeout(ANSWER_SECONDS, TimeUnit.SECONDS).send(listener);
            Response response = listener.get(ANSWER_SECONDS, TimeUnit.SECONDS);
            try (InputStream in = listener.getInputStream()) {
                return require(response.getStatus(), in.readNBytes(MAX_ANSWER_BYTES));
            }
        } catch (IOException | ExecutionException | TimeoutException e) {
            throw broken(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw broken(e);
        }
    }

    private TransportException broken(Exception e) {
        return new TransportException(
                "talk to the agent at "
                        + socket
                        + ": "
                        + e
                        + "; see 'systemctl status vmckpt-agent', or use --agent none",
                e);
    }

    private JsonNode require(int status, byte[] body) throws VmckptException {
        JsonNode answer;
        try {
            answer = Json.MAPPER.readTree(body);
        } catch (IOException e) {
            throw new ProtocolException(
                    "talk to the agent at " + socket + ": its answer is no JSON", e);
        }
        if (status < 300) {
            return answer;
        }
        throw error(answer.path("error"));
    }

    static VmckptException error(JsonNode error) {
        String message = error.path("message").asText("the agent gave no reason");
        return Json.MAPPER
                .convertValue(error.path("kind").asText("protocol"), ErrorKind.class)
                .toException(message);
    }

    /** Asks for a job and follows it to its end; returns its result, or throws its error. */
    public JsonNode run(ObjectNode wanted, ProgressListener progress, Followed followed)
            throws VmckptException {
        String id = post("/v1/jobs", wanted).path("id").asText();
        followed.began(() -> cancel(id));
        JsonNode job = follow(id, progress).orElse(MissingNode.getInstance());
        if (!isEnd(job)) {
            job = get("/v1/jobs/" + id);
        }
        if (!isEnd(job)) {
            throw new TransportException(
                    "follow job " + id + ": the agent ended before it; see what it logged");
        }
        if (job.path("state").asText().equals("done")) {
            return job.path("result");
        }
        throw error(
                job.path("error").isObject()
                        ? job.path("error")
                        : Json.MAPPER
                                .createObjectNode()
                                .put("kind", "refused")
                                .put("message", "the job was cancelled before it began"));
    }

    /**
     * Has the agent let a guest go until the loan is closed, or this process ends.
     *
     * @param guest as it is named for jobs
     */
    public Loan lend(String guest) throws VmckptException {
        return Loan.take(this, guest);
    }

    /** Hears how the job can be cancelled, from any thread. */
    @FunctionalInterface
    public interface Followed {
        void began(Runnable cancel);
    }

    void cancel(String id) {
        try {
            delete("/v1/jobs/" + id);
        } catch (VmckptException e) {
            // The job ends as it would have; whoever follows it sees how.
        }
    }

    static boolean isEnd(JsonNode job) {
        return switch (job.path("state").asText()) {
            case "done", "failed", "cancelled" -> true;
            default -> false;
        };
    }

    /** The last state that was heard of. */
    private Optional<JsonNode> follow(String id, ProgressListener progress) throws VmckptException {
        Optional<JsonNode> last = Optional.empty();
        InputStreamResponseListener listener = new InputStreamResponseListener();
        request(HttpMethod.GET, "/v1/jobs/" + id + "/events").send(listener);
        try {
            Response response = listener.get(ANSWER_SECONDS, TimeUnit.SECONDS);
            if (response.getStatus() != 200) {
                return last;
            }
            try (BufferedReader lines =
                    new BufferedReader(
                            new InputStreamReader(
                                    listener.getInputStream(), StandardCharsets.UTF_8))) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    if (line.startsWith(DATA)) {
                        JsonNode job = Json.MAPPER.readTree(line.substring(DATA.length()));
                        last = Optional.of(job);
                        show(job.path("progress"), progress);
                    }
                }
            }
            return last;
        } catch (JsonProcessingException e) {
            throw new ProtocolException("follow job " + id + ": an event is no JSON", e);
        } catch (IOException e) {
            // The agent was stopped or killed: what it says of the job now is asked for.
            return last;
        } catch (ExecutionException | TimeoutException e) {
            throw broken(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw broken(e);
        }
    }

    private static void show(JsonNode at, ProgressListener progress) {
        if (at.isObject()) {
            progress.update(
                    at.path("phase").asText(),
                    at.path("done").asLong(),
                    at.path("total").asLong(),
                    at.path("unit").asText());
        }
    }

    @Override
    public void close() {
        try {
            http.stop();
        } catch (Exception e) {
            // The process that used it ends.
        }
    }
}
