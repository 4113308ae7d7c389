package org.vmckpt.cow.serving;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.nbd.ServerSocket;

/** The control socket: one JSON object a line, each answered by one. */
final class ControlServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ControlServer.class);
    private static final int MAX_CONNECTIONS = 16;
    static final int MAX_LINE_BYTES = 64 << 10;

    private final Path path;
    private final ServerSocketChannel socket;
    private final Commands commands;
    private final Set<SocketChannel> clients = ConcurrentHashMap.newKeySet();

    private ControlServer(Path path, ServerSocketChannel socket, Commands commands) {
        this.path = path;
        this.socket = socket;
        this.commands = commands;
    }

    static ControlServer start(Path path, Commands commands) throws VmckptException {
        ControlServer server = new ControlServer(path, ServerSocket.listen(path), commands);
        Thread.ofPlatform().daemon().name("control-acceptor").start(server::accept);
        return server;
    }

    boolean hasClients() {
        return !clients.isEmpty();
    }

    private void accept() {
        while (socket.isOpen()) {
            try {
                SocketChannel client = socket.accept();
                if (clients.size() >= MAX_CONNECTIONS) {
                    client.close();
                    continue;
                }
                clients.add(client);
                Thread.ofPlatform().daemon().name("control").start(() -> serve(client));
            } catch (ClosedChannelException e) {
                return;
            } catch (IOException e) {
                LOG.warn("{}: accepting a client failed: {}", path, e.toString());
            }
        }
    }

    private void serve(SocketChannel client) {
        Reissues.Session session = commands.reissues().session();
        Commands.waitUrgently();
        try (client) {
            InputStream in = new BufferedInputStream(Channels.newInputStream(client));
            OutputStream out = Channels.newOutputStream(client);
            for (byte[] line = Lines.read(in, MAX_LINE_BYTES);
                    line.length > 0;
                    line = Lines.read(in, MAX_LINE_BYTES)) {
                out.write((answer(line, session) + "\n").getBytes(StandardCharsets.UTF_8));
            }
        } catch (IOException e) {
            LOG.debug("{}: a client ended: {}", path, e.toString());
        } finally {
            session.end();
            clients.remove(client);
        }
    }

    private ObjectNode answer(byte[] line, Reissues.Session session) {
        try {
            JsonNode command = Json.MAPPER.readTree(line);
            if (!command.isObject()) {
                throw new ProtocolException("a command is a JSON object");
            }
            return commands.execute(command, session);
        } catch (VmckptException e) {
            return failure(e.getClass().getSimpleName(), e.getMessage());
        } catch (JsonProcessingException e) {
            return failure("ProtocolException", "a command is a JSON object on one line");
        } catch (IOException e) {
            return failure("TransportException", e.getMessage());
        } catch (RuntimeException e) {
            LOG.error("a command failed, which is a bug", e);
            return failure("StorageException", e.toString());
        }
    }

    private static ObjectNode failure(
            String kind, @org.jspecify.annotations.Nullable String message) {
        return Json.MAPPER
                .createObjectNode()
                .put("ok", false)
                .put("kind", kind)
                .put("error", message);
    }

    @Override
    public void close() {
        try {
            socket.close();
            Files.deleteIfExists(path);
            for (SocketChannel client : clients) {
                client.close();
            }
        } catch (IOException e) {
            LOG.warn("closing {}: {}", path, e.toString());
        }
        commands.reissues().close();
    }
}
