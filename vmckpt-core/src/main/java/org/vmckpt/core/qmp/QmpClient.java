package org.vmckpt.core.qmp;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
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

    private static final String OUT_OF_BAND = "oob";

    // What every command ends with, and so what a staged one lacks.
    private static final byte[] END = {'}', '\n'};
    // No JSON has this byte: QEMU's docs/interop/qmp-spec tells to send it to get rid of a part.
    private static final byte[] FORGET = {(byte) 0xff, '\n'};

    /**
     * QEMU finishes the command of a client that was killed and gives the answer to the next one,
     * whose numbers are others. Few digits: it reads them byte by byte, while a guest waits.
     */
    private static final long ID_RANGE = 1_000_000;

    private final Path socketPath;
    private final SocketChannel channel;
    private final Thread reader;
    private final CompletableFuture<QemuVersion> greeting = new CompletableFuture<>();
    private final Map<Long, CompletableFuture<JsonNode>> pending = new ConcurrentHashMap<>();
    private final EventListeners events = new EventListeners();
    private final AtomicLong nextId;
    // Both guarded by this.
    private @Nullable StagedCommand staged;
    private @Nullable ByteArrayOutputStream batch;
    private final Batch batchEnd = this::sendBatch;
    private volatile @Nullable VmckptException broken;
    private volatile boolean readsAhead;

    /** See {@link #batch}. */
    public interface Batch extends AutoCloseable {
        @Override
        void close() throws TransportException;
    }

    private QmpClient(Path socketPath, SocketChannel channel, long firstId) {
        this.socketPath = socketPath;
        this.channel = channel;
        this.nextId = new AtomicLong(firstId);
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
        return connect(socketPath, timeout, ThreadLocalRandom.current().nextLong(ID_RANGE));
    }

    static QmpClient connect(Path socketPath, Duration timeout, long firstId)
            throws VmckptException {
        QmpClient client = new QmpClient(socketPath, QmpSocket.open(socketPath), firstId);
        boolean connected = false;
        try {
            client.reader.start();
            client.awaitGreeting(timeout);
            client.execute("qmp_capabilities", client.capabilities(), timeout);
            connected = true;
            return client;
        } finally {
            if (!connected) {
                client.close();
            }
        }
    }

    /** With oob QEMU reads the next command while it is at one; they are still done in order. */
    private ObjectNode capabilities() {
        ObjectNode arguments = Json.MAPPER.createObjectNode();
        if (readsAhead) {
            arguments.putArray("enable").add(OUT_OF_BAND);
        }
        return arguments;
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
                            + QmpSocket.HELD_BY_ANOTHER,
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
        return command(command, arguments).send().answer();
    }

    /** Makes a command and sends nothing of it yet. */
    public StagedCommand command(String command, ObjectNode arguments) {
        return new StagedCommand(this, command, arguments, nextId.getAndIncrement());
    }

    public StagedCommand command(String command) {
        return command(command, Json.MAPPER.createObjectNode());
    }

    /** {@link #command} and {@link StagedCommand#stage}. */
    public StagedCommand stage(String command, ObjectNode arguments) throws VmckptException {
        return command(command, arguments).stage();
    }

    public StagedCommand stage(String command) throws VmckptException {
        return command(command).stage();
    }

    void begin(StagedCommand command) throws VmckptException {
        synchronized (this) {
            forgetStaged(command.command());
            byte[] line = command.line();
            write(command.command(), line, line.length - END.length);
            staged = command;
        }
    }

    /** Sends what QEMU does not have of a command yet. */
    void complete(StagedCommand command) throws VmckptException {
        pending.put(command.id(), command.answer());
        VmckptException cause = broken;
        if (cause != null) {
            pending.remove(command.id());
            throw new TransportException(command.command() + ": " + cause.getMessage(), cause);
        }
        synchronized (this) {
            boolean begun = command.equals(staged);
            if (begun) {
                staged = null;
            } else {
                forgetStaged(command.command());
            }
            byte[] missing = begun ? END : command.line();
            write(command.command(), missing, missing.length);
        }
    }

    private void forgetStaged(String command) throws TransportException {
        if (staged != null) {
            staged = null;
            write(command, FORGET, FORGET.length);
        }
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

    /**
     * Keeps what is sent until it is closed, and sends it then in one piece: QEMU need not be woken
     * for each command, and has the next one as soon as it looks for it. Not within another one.
     */
    public synchronized Batch batch() {
        if (batch != null) {
            throw new IllegalStateException("a batch within a batch");
        }
        batch = new ByteArrayOutputStream();
        return batchEnd;
    }

    private synchronized void sendBatch() throws TransportException {
        if (batch != null) {
            byte[] bytes = batch.toByteArray();
            batch = null;
            write("several commands", bytes, bytes.length);
        }
    }

    // The caller holds the lock.
    private void write(String command, byte[] text, int length) throws TransportException {
        if (batch != null) {
            batch.write(text, 0, length);
            return;
        }
        ByteBuffer bytes = ByteBuffer.wrap(text, 0, length);
        try {
            while (bytes.hasRemaining()) {
                channel.write(bytes);
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
        return events.subscribe(listener);
    }

    /** Prepares to wait for an event; call this before the command that causes it. */
    public EventWaiter waitFor(String description, Predicate<QmpEvent> wanted) {
        return events.waitFor(description, wanted);
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
        JsonNode message = QmpSocket.parse(line, socketPath);
        if (message.has("QMP")) {
            for (JsonNode capability : message.path("QMP").path("capabilities")) {
                readsAhead |= capability.asText().equals(OUT_OF_BAND);
            }
            greeting.complete(QemuVersion.of(message.path("QMP").path("version")));
        } else if (message.has("event")) {
            events.happened(QmpEvent.of(message));
        } else {
            CompletableFuture<JsonNode> answer = pending.remove(message.path("id").asLong(-1));
            if (answer == null && !greeting.isDone()) {
                throw QmpSocket.notQmp(line, socketPath);
            }
            if (answer != null) {
                answer.complete(message);
            }
        }
    }

    private void breakDown(VmckptException cause) {
        broken = cause;
        greeting.completeExceptionally(cause);
        pending.values().forEach(answer -> answer.completeExceptionally(cause));
        events.breakDown(cause);
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
