package org.vmckpt.core.qmp;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.Json;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/**
 * A connection to one QEMU. Safe for use by several threads.
 *
 * <p>Answers and events are read by a platform thread of its own: the pause of a guest waits for
 * them, and a virtual thread would add a hand-over to each.
 */
public final class QmpClient implements AutoCloseable {
    /** A longer line is no QMP: query-* answers of large guests stay below a megabyte. */
    private static final int LINE_LIMIT_BYTES = 16 << 20;

    private static final Duration COMMAND_TIMEOUT = Duration.ofSeconds(30);

    private static final String HELD_BY_ANOTHER =
            "most likely another client (libvirt, a monitor shell, another vmckpt) holds it,"
                    + " because QEMU serves one QMP client at a time; close that client or give the"
                    + " guest a second QMP socket";

    private final Path socketPath;
    private final SocketChannel channel;
    private final Thread reader;
    private final CompletableFuture<QemuVersion> greeting = new CompletableFuture<>();
    private final Map<Long, CompletableFuture<JsonNode>> pending = new ConcurrentHashMap<>();
    private final List<Consumer<QmpEvent>> listeners = new CopyOnWriteArrayList<>();
    private final Map<Consumer<QmpEvent>, CompletableFuture<QmpEvent>> waiters =
            new ConcurrentHashMap<>();
    private final AtomicLong nextId = new AtomicLong();
    private volatile @Nullable VmckptException broken;

    private QmpClient(Path socketPath, SocketChannel channel) {
        this.socketPath = socketPath;
        this.channel = channel;
        this.reader = Thread.ofPlatform().name("qmp-reader").daemon().unstarted(this::readLoop);
    }

    /**
     * Connects, waits for the greeting and leaves capability negotiation.
     *
     * @throws NotFoundException there is no such socket, or nobody listens on it
     * @throws ConflictException another client holds the monitor
     * @throws ProtocolException the peer is not a QMP server
     */
    public static QmpClient connect(Path socketPath, Duration timeout) throws VmckptException {
        QmpClient client = new QmpClient(socketPath, open(socketPath));
        boolean connected = false;
        try {
            client.reader.start();
            client.awaitGreeting(timeout);
            client.execute("qmp_capabilities", Json.MAPPER.createObjectNode(), timeout);
            connected = true;
            return client;
        } finally {
            if (!connected) {
                client.close();
            }
        }
    }

    private static SocketChannel open(Path socketPath) throws VmckptException {
        if (!Files.exists(socketPath)) {
            throw new NotFoundException(
                    "connecting to QMP: "
                            + socketPath
                            + " does not exist;"
                            + " start the guest with -qmp unix:"
                            + socketPath
                            + ",server=on,wait=off");
        }
        try {
            SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            try {
                // Blocking, it would wait without limit for room in the queue of a busy QEMU.
                channel.configureBlocking(false);
                if (!channel.connect(UnixDomainSocketAddress.of(socketPath))) {
                    channel.close();
                    throw new ConflictException(
                            "connecting to QMP: "
                                    + socketPath
                                    + " has a full queue of connections that nobody takes: "
                                    + HELD_BY_ANOTHER);
                }
                channel.configureBlocking(true);
                return channel;
            } catch (IOException e) {
                channel.close();
                throw e;
            }
        } catch (IOException | UnsupportedOperationException e) {
            throw new NotFoundException(
                    "connecting to QMP: nobody listens on "
                            + socketPath
                            + " ("
                            + e.getMessage()
                            + "); check that the path is a QMP socket and that its QEMU runs",
                    e);
        }
    }

    private void awaitGreeting(Duration timeout) throws VmckptException {
        try {
            greeting.get(timeout.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            throw new ConflictException(
                    "connecting to QMP: "
                            + socketPath
                            + " accepted the connection but sent no greeting within "
                            + timeout.toMillis()
                            + " ms: "
                            + HELD_BY_ANOTHER,
                    e);
        } catch (ExecutionException e) {
            throw failure(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TransportException("connecting to QMP: interrupted", e);
        }
    }

    public Path socketPath() {
        return socketPath;
    }

    public QemuVersion version() {
        return greeting.join();
    }

    public JsonNode execute(String command) throws VmckptException {
        return execute(command, Json.MAPPER.createObjectNode());
    }

    public JsonNode execute(String command, ObjectNode arguments) throws VmckptException {
        return execute(command, arguments, COMMAND_TIMEOUT);
    }

    /**
     * Runs a command and returns what its {@code return} holds.
     *
     * @throws ProtocolException QEMU answered with an error
     * @throws TransportException the connection broke, or no answer came in time
     */
    public JsonNode execute(String command, ObjectNode arguments, Duration timeout)
            throws VmckptException {
        return await(command, submit(command, arguments), timeout);
    }

    /** Sends a command without waiting: {@link #await} takes the answer. */
    public CompletableFuture<JsonNode> submit(String command, ObjectNode arguments)
            throws VmckptException {
        long id = nextId.getAndIncrement();
        ObjectNode message = Json.MAPPER.createObjectNode();
        message.put("execute", command);
        if (!arguments.isEmpty()) {
            message.set("arguments", arguments);
        }
        message.put("id", id);
        CompletableFuture<JsonNode> answer = new CompletableFuture<>();
        pending.put(id, answer);
        VmckptException cause = broken;
        if (cause != null) {
            pending.remove(id);
            throw new TransportException(command + ": " + cause.getMessage(), cause);
        }
        send(command, message);
        return answer;
    }

    /** Waits for the answer of a submitted command. */
    public JsonNode await(String command, CompletableFuture<JsonNode> answer, Duration timeout)
            throws VmckptException {
        try {
            return unwrap(command, answer.get(timeout.toNanos(), TimeUnit.NANOSECONDS));
        } catch (TimeoutException e) {
            throw new TransportException(
                    command
                            + " on "
                            + socketPath
                            + ": QEMU gave no answer within "
                            + timeout.toMillis()
                            + " ms",
                    e);
        } catch (ExecutionException e) {
            throw failure(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TransportException(command + " on " + socketPath + ": interrupted", e);
        }
    }

    private static VmckptException failure(ExecutionException e) {
        return e.getCause() instanceof VmckptException known
                ? known
                : new TransportException(String.valueOf(e.getMessage()), e);
    }

    private JsonNode unwrap(String command, JsonNode answer) throws ProtocolException {
        JsonNode error = answer.get("error");
        if (error != null) {
            throw new ProtocolException(
                    command
                            + " on "
                            + socketPath
                            + ": QEMU refused: "
                            + error.path("desc").asText(error.toString()));
        }
        return answer.path("return");
    }

    private synchronized void send(String command, ObjectNode message) throws TransportException {
        try {
            byte[] line = (message + "\n").getBytes(StandardCharsets.UTF_8);
            ByteBuffer buffer = ByteBuffer.wrap(line);
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
        } catch (IOException e) {
            throw new TransportException(
                    command
                            + " on "
                            + socketPath
                            + ": the connection to QEMU broke: "
                            + e.getMessage(),
                    e);
        }
    }

    /** Runs a command of the human monitor, for the few facts that QMP does not give. */
    public String humanMonitor(String commandLine) throws VmckptException {
        ObjectNode arguments = Json.MAPPER.createObjectNode().put("command-line", commandLine);
        return execute("human-monitor-command", arguments).asText();
    }

    /** Calls the listener, on the reader's thread, for every event until closed. */
    public AutoCloseable subscribe(Consumer<QmpEvent> listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }

    /** Prepares to wait for an event; call this before the command that causes it. */
    public EventWaiter waitFor(String description, Predicate<QmpEvent> wanted) {
        CompletableFuture<QmpEvent> first = new CompletableFuture<>();
        Consumer<QmpEvent> listener =
                event -> {
                    if (wanted.test(event)) {
                        first.complete(event);
                    }
                };
        waiters.put(listener, first);
        listeners.add(listener);
        VmckptException cause = broken;
        if (cause != null) {
            first.completeExceptionally(cause);
        }
        return new EventWaiter(
                description,
                first,
                () -> {
                    listeners.remove(listener);
                    waiters.remove(listener);
                });
    }

    private void readLoop() {
        try (BufferedInputStream in =
                new BufferedInputStream(Channels.newInputStream(channel), 1 << 16)) {
            LineReader lines = new LineReader(in, LINE_LIMIT_BYTES);
            for (String line = lines.next(); line != null; line = lines.next()) {
                dispatch(line);
            }
            breakDown(
                    new TransportException(
                            socketPath + ": QEMU closed the connection; it ended or was killed"));
        } catch (ProtocolException e) {
            breakDown(e);
        } catch (IOException e) {
            breakDown(
                    new TransportException(
                            socketPath + ": the connection to QEMU broke: " + e.getMessage(), e));
        } catch (RuntimeException | Error e) {
            // A bug of a listener, or no memory: nobody may wait for answers that nobody reads.
            breakDown(new TransportException(socketPath + ": reading from QEMU failed: " + e, e));
        }
    }

    private void dispatch(String line) throws ProtocolException {
        JsonNode message = parse(line);
        if (message.has("QMP")) {
            greeting.complete(QemuVersion.of(message.path("QMP").path("version")));
        } else if (message.has("event")) {
            QmpEvent event = QmpEvent.of(message);
            listeners.forEach(listener -> listener.accept(event));
        } else {
            CompletableFuture<JsonNode> answer = pending.remove(message.path("id").asLong(-1));
            if (answer == null && !greeting.isDone()) {
                throw notQmp(line);
            }
            if (answer != null) {
                answer.complete(message);
            }
        }
    }

    private JsonNode parse(String line) throws ProtocolException {
        try {
            JsonNode message = Json.MAPPER.readTree(line);
            if (message == null || !message.isObject()) {
                throw notQmp(line);
            }
            return message;
        } catch (JsonProcessingException e) {
            throw notQmp(line);
        }
    }

    private ProtocolException notQmp(String line) {
        String start = line.length() > 60 ? line.substring(0, 60) + "..." : line;
        return new ProtocolException(
                socketPath
                        + " is not a QMP socket: expected a JSON greeting, found \""
                        + start.strip()
                        + "\"; give the socket of -qmp, not of -monitor or -serial");
    }

    private void breakDown(VmckptException cause) {
        broken = cause;
        greeting.completeExceptionally(cause);
        pending.values().forEach(answer -> answer.completeExceptionally(cause));
        waiters.values().forEach(waiter -> waiter.completeExceptionally(cause));
    }

    @Override
    public void close() {
        try {
            channel.close();
            if (!Thread.currentThread().equals(reader)) {
                reader.join();
            }
        } catch (IOException e) {
            // Nothing that was sent or received is lost by a failing close of a socket.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
