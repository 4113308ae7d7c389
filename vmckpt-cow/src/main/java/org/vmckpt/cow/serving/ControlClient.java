package org.vmckpt.cow.serving;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Json;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/** Asks a {@link VolumeServer} in another process. Closing it ends a reissue that it began. */
public final class ControlClient implements AutoCloseable {
    private static final int MAX_ANSWER_BYTES = 16 << 20;

    private final Path path;
    private final SocketChannel socket;
    private final InputStream in;
    private final OutputStream out;

    private ControlClient(Path path, SocketChannel socket) {
        this.path = path;
        this.socket = socket;
        this.in = new BufferedInputStream(Channels.newInputStream(socket));
        this.out = Channels.newOutputStream(socket);
    }

    /** Connects to a server's control socket. */
    public static ControlClient connect(Path path) throws VmckptException {
        try {
            SocketChannel socket = SocketChannel.open(StandardProtocolFamily.UNIX);
            try {
                socket.connect(UnixDomainSocketAddress.of(path));
                return new ControlClient(path, socket);
            } catch (IOException e) {
                socket.close();
                throw e;
            }
        } catch (IOException e) {
            throw new TransportException(
                    "connecting to " + path + ": no vmckpt serves volumes there (" + e + ")", e);
        }
    }

    /** Makes the layers for the next forks, so that those take microseconds. */
    public void prepare(List<String> volumes) throws VmckptException {
        ask(command("prepare", volumes));
    }

    /**
     * The same, and ends commits, so that the forks wait for none.
     *
     * @param owner keeps commits away until {@link #unhold}
     */
    public void prepare(List<String> volumes, String owner) throws VmckptException {
        ask(command("prepare", volumes).put("owner", owner));
    }

    /**
     * Forks volumes one after another.
     *
     * @param owner who needs the frozen layers until {@link #unhold}
     * @return the server's answer: {@code forks}, each with frozen, active and micros
     */
    public JsonNode fork(List<String> volumes, Optional<String> owner) throws VmckptException {
        ObjectNode command = command("fork", volumes);
        owner.ifPresent(it -> command.put("owner", it));
        return ask(command);
    }

    /**
     * Forks one volume, with all that belongs to it: the next layer is made first, and the frozen
     * one is at rest and durable in the end.
     *
     * @param owner as in {@link #fork}
     * @return what the server says of this fork: frozen, active and micros
     */
    public JsonNode forkAndSettle(String volume, Optional<String> owner, long limitMillis)
            throws VmckptException {
        List<String> name = List.of(volume);
        if (owner.isPresent()) {
            prepare(name, owner.get());
        } else {
            prepare(name);
        }
        JsonNode fork = fork(name, owner).path("forks").path(0);
        settle(name, limitMillis);
        return fork;
    }

    /**
     * From now on all requests, also those under way, are answered with EIO, until {@link
     * #endReissue}, or this client is closed, or the time is over.
     *
     * @return how many were under way
     */
    public int beginReissue(List<String> volumes, long limitMillis) throws VmckptException {
        return ask(command("reissue-begin", volumes).put("limitMillis", limitMillis))
                .path("answered")
                .asInt();
    }

    public void endReissue() throws VmckptException {
        ask(command("reissue-end", List.of()));
    }

    /** Waits until the frozen layers of volumes are at rest and durable. */
    public void settle(List<String> volumes, long limitMillis) throws VmckptException {
        ask(command("settle", volumes).put("limitMillis", limitMillis));
    }

    /** Removes the holds of an owner. */
    public void unhold(List<String> volumes, String owner) throws VmckptException {
        ask(command("unhold", volumes).put("owner", owner));
    }

    /** Folds frozen layers; returns how many. */
    public int commit(List<String> volumes, long bytesPerSecond) throws VmckptException {
        return askCommit(volumes, bytesPerSecond).path("folded").asInt();
    }

    /**
     * As {@link #commit}.
     *
     * @return the server's answer: {@code folded} layers, and {@code copiedBytes}
     */
    public JsonNode askCommit(List<String> volumes, long bytesPerSecond) throws VmckptException {
        return ask(command("commit", volumes).put("bytesPerSecond", bytesPerSecond));
    }

    /** Has frozen layers folded, and does not wait for that. */
    public void commitInBackground(List<String> volumes, long bytesPerSecond)
            throws VmckptException {
        ask(
                command("commit", volumes)
                        .put("bytesPerSecond", bytesPerSecond)
                        .put("background", true));
    }

    /** Has the server end once this process has ended. */
    public void endWith(long pid) throws VmckptException {
        ask(Json.MAPPER.createObjectNode().put("command", "end-with").put("pid", pid));
    }

    public JsonNode status() throws VmckptException {
        return ask(command("status", List.of()));
    }

    private static ObjectNode command(String name, List<String> volumes) {
        ObjectNode command = Json.MAPPER.createObjectNode().put("command", name);
        if (!volumes.isEmpty()) {
            volumes.forEach(command.putArray("volumes")::add);
        }
        return command;
    }

    private JsonNode ask(ObjectNode command) throws VmckptException {
        try {
            out.write((command + "\n").getBytes(StandardCharsets.UTF_8));
            byte[] line = Lines.read(in, MAX_ANSWER_BYTES);
            if (line.length == 0) {
                throw new TransportException(path + ": the server of the volumes went away");
            }
            JsonNode answer = Json.MAPPER.readTree(line);
            if (!answer.path("ok").asBoolean()) {
                throw failure(answer);
            }
            return answer;
        } catch (IOException e) {
            throw new TransportException(path + ": asking the server of the volumes: " + e, e);
        }
    }

    private static VmckptException failure(JsonNode answer) {
        String message = answer.path("error").asText();
        return switch (answer.path("kind").asText()) {
            case "ConflictException" -> new ConflictException(message);
            case "CorruptException" -> new CorruptException(message);
            case "NotFoundException" -> new NotFoundException(message);
            case "RefusedException" -> new RefusedException(message);
            case "StorageException" -> new StorageException(message);
            case "UnsupportedException" -> new UnsupportedException(message);
            default -> new ProtocolException(message);
        };
    }

    @Override
    public void close() throws TransportException {
        leave();
    }

    /** What {@link #close} does; may be called before. */
    void leave() throws TransportException {
        try {
            socket.close();
        } catch (IOException e) {
            throw new TransportException(path + ": closing: " + e, e);
        }
    }
}
