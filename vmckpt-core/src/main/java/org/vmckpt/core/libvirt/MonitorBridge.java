package org.vmckpt.core.libvirt;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.libvirt.LibvirtException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/**
 * A QMP server in this process whose commands go through libvirtd to a domain's QEMU, and whose
 * events come from there. libvirtd holds the one monitor that QEMU has; in this way whatever speaks
 * QMP works on a domain as it is.
 *
 * <p>Two things differ from QEMU's own socket. An event may come after the answer to a later
 * command. And libvirtd answers nobody while it is at another job of the domain: a command then
 * fails after half a minute, with libvirt's words.
 */
public final class MonitorBridge implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(MonitorBridge.class);
    private static final int FORGET = 0xff;
    private static final int LINE_LIMIT_BYTES = 16 << 20;

    private final Path socket;
    private final String uri;
    private final UUID uuid;
    private final ServerSocketChannel server;

    private MonitorBridge(Path socket, String uri, UUID uuid, ServerSocketChannel server) {
        this.socket = socket;
        this.uri = uri;
        this.uuid = uuid;
        this.server = server;
    }

    /**
     * Listens on a new socket, for clients of this user. Each gets a connection to libvirtd of its
     * own, made when it comes.
     *
     * @param socket in a folder that nobody else may enter
     */
    public static MonitorBridge listen(Path socket, String uri, UUID uuid) throws VmckptException {
        try {
            ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            server.bind(UnixDomainSocketAddress.of(socket));
            MonitorBridge bridge = new MonitorBridge(socket, uri, uuid, server);
            Thread.ofPlatform().name("libvirt-bridge").daemon().start(bridge::accept);
            return bridge;
        } catch (IOException e) {
            throw new StorageException("making a socket " + socket + ": " + e, e);
        }
    }

    public Path socket() {
        return socket;
    }

    private void accept() {
        while (server.isOpen()) {
            try {
                SocketChannel client = server.accept();
                // It waits in native code of libvirt.
                Thread.ofPlatform().name("libvirt-qmp").daemon().start(() -> serve(client));
            } catch (IOException e) {
                return;
            }
        }
    }

    private void serve(SocketChannel client) {
        try (client;
                LibvirtHost host = LibvirtHost.connect(uri)) {
            new Client(client, host.domain(uuid.toString())).serve();
        } catch (IOException | VmckptException e) {
            LOG.warn("the monitor of domain {} through libvirt: {}", uuid, e.getMessage());
        }
    }

    @Override
    public void close() {
        try {
            server.close();
            Files.deleteIfExists(socket);
        } catch (IOException e) {
            // A socket that stays behind serves nobody.
        }
    }

    /** One connection. */
    private static final class Client {
        private final SocketChannel channel;
        private final LibvirtDomain domain;

        Client(SocketChannel channel, LibvirtDomain domain) {
            this.channel = channel;
            this.domain = domain;
        }

        void serve() throws IOException, VmckptException {
            try (LibvirtHost.Subscription _ = domain.host().subscribe(domain.uuid(), this::event);
                    InputStream in =
                            new BufferedInputStream(Channels.newInputStream(channel), 1 << 16)) {
                write(greeting().toString());
                for (String line = next(in); line != null; line = next(in)) {
                    obey(Json.MAPPER.readTree(line));
                }
            } catch (LibvirtException e) {
                throw LibvirtErrors.of("the monitor of domain " + domain.name(), e);
            }
        }

        private ObjectNode greeting() throws LibvirtException, IOException {
            JsonNode version = ask("{\"execute\": \"query-version\"}").path("return");
            ObjectNode greeting = Json.MAPPER.createObjectNode();
            ObjectNode qmp = greeting.putObject("QMP");
            qmp.set("version", version);
            qmp.putArray("capabilities");
            return greeting;
        }

        private JsonNode ask(String command) throws LibvirtException, JsonProcessingException {
            return Json.MAPPER.readTree(domain.monitorCommand(command));
        }

        private void obey(JsonNode message) throws IOException, LibvirtException {
            ObjectNode answer = Json.MAPPER.createObjectNode();
            if (message.path("execute").asText().equals("qmp_capabilities")) {
                answer.putObject("return");
            } else {
                ObjectNode command = message.deepCopy();
                command.remove("id");
                answer.setAll(answer(command));
            }
            write(withId(answer, message.path("id")));
        }

        /** Spelled as QEMU does: the guard looks for its number in the text. */
        private static String withId(ObjectNode answer, JsonNode id) {
            answer.remove("id");
            String text = answer.toString();
            return text.substring(0, text.length() - 1) + ", \"id\": " + id + "}";
        }

        private ObjectNode answer(ObjectNode command) throws LibvirtException, IOException {
            try {
                return (ObjectNode) ask(command.toString());
            } catch (LibvirtException e) {
                // Then the client learns it as QEMU's own would: the connection ends.
                if (!domain.host().isAlive() || hasEnded()) {
                    throw e;
                }
                ObjectNode error = Json.MAPPER.createObjectNode();
                error.putObject("error")
                        .put("class", "GenericError")
                        .put("desc", "libvirt: " + e.getMessage());
                return error;
            }
        }

        private boolean hasEnded() {
            try {
                return !domain.isActive();
            } catch (VmckptException e) {
                return false;
            }
        }

        private void event(String name, long seconds, int micros, String details) {
            try {
                ObjectNode event = Json.MAPPER.createObjectNode().put("event", name);
                event.putObject("timestamp").put("seconds", seconds).put("microseconds", micros);
                if (!details.isEmpty()) {
                    event.set("data", Json.MAPPER.readTree(details));
                }
                write(event.toString());
            } catch (IOException e) {
                // The client has gone; its thread will notice.
            }
        }

        /** From the thread that serves and from that of events. */
        private synchronized void write(String message) throws IOException {
            ByteBuffer line = ByteBuffer.wrap((message + "\n").getBytes(StandardCharsets.UTF_8));
            while (line.hasRemaining()) {
                channel.write(line);
            }
        }

        /** The next line; one that its client took back while it wrote it is passed over. */
        private static @Nullable String next(InputStream in) throws IOException, ProtocolException {
            ByteArrayOutputStream line = new ByteArrayOutputStream(256);
            boolean takenBack = false;
            for (int value = in.read(); value >= 0; value = in.read()) {
                if (value == '\n') {
                    if (!takenBack && line.size() > 0) {
                        return line.toString(StandardCharsets.UTF_8);
                    }
                    line.reset();
                    takenBack = false;
                } else if (value == FORGET) {
                    takenBack = true;
                } else if (line.size() == LINE_LIMIT_BYTES) {
                    throw new ProtocolException("a line of more than " + line.size() + " bytes");
                } else {
                    line.write(value);
                }
            }
            return null;
        }
    }
}
