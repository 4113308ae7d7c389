package org.vmckpt.cow.restore;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.EventWaiter;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.qmp.QmpEvent;

/** Feeds saved device state to a QEMU that waits for an incoming migration. */
final class DeviceStateFeeder {
    private static final String SOCKET_NAME = "incoming.sock";

    private final QmpClient qmp;
    private final Duration timeout;

    DeviceStateFeeder(QmpClient qmp, Duration timeout) {
        this.qmp = qmp;
        this.timeout = timeout;
    }

    /** A stream, however it is made. */
    interface Content {
        void writeTo(WritableByteChannel channel) throws IOException, VmckptException;
    }

    /** As {@link #feed(Content, boolean)}, for a stream that is complete as it is stored. */
    void feed(byte[] stream) throws VmckptException {
        feed(channel -> writeFully(channel, ByteBuffer.wrap(stream)), true);
    }

    static void writeFully(WritableByteChannel channel, ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }

    /**
     * Returns when QEMU has loaded all of it. The guest is stopped then.
     *
     * @param ignoreShared whether shared memory is filled already and not in the stream
     */
    void feed(Content stream, boolean ignoreShared) throws VmckptException {
        setCapabilities(ignoreShared, true);
        try {
            Path folder = Files.createTempDirectory("vmckpt-");
            try {
                feedThrough(folder.resolve(SOCKET_NAME), stream);
            } finally {
                Files.deleteIfExists(folder.resolve(SOCKET_NAME));
                Files.deleteIfExists(folder);
            }
        } catch (IOException e) {
            throw new StorageException(
                    "restore cannot make a socket for the device state: " + e.getMessage(), e);
        }
        setCapabilities(false, false);
    }

    private void setCapabilities(boolean ignoreShared, boolean events) throws VmckptException {
        ObjectNode arguments = Json.MAPPER.createObjectNode();
        ArrayNode capabilities = arguments.putArray("capabilities");
        capabilities.addObject().put("capability", "x-ignore-shared").put("state", ignoreShared);
        capabilities.addObject().put("capability", "events").put("state", events);
        qmp.execute("migrate-set-capabilities", arguments, timeout);
    }

    private void feedThrough(Path socket, Content stream) throws VmckptException {
        try (EventWaiter ended =
                qmp.waitFor("MIGRATION event after the device state", this::isEnd)) {
            qmp.execute(
                    "migrate-incoming",
                    Json.MAPPER.createObjectNode().put("uri", "unix:" + socket),
                    timeout);
            send(socket, stream);
            String status = ended.await(timeout).data().path("status").asText();
            if (!status.equals("completed")) {
                throw new ProtocolException("QEMU could not load the device state: " + status);
            }
        }
    }

    private boolean isEnd(QmpEvent event) {
        String status = event.data().path("status").asText();
        return event.is("MIGRATION") && (status.equals("completed") || status.equals("failed"));
    }

    private void send(Path socket, Content stream) throws VmckptException {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.connect(UnixDomainSocketAddress.of(socket));
            stream.writeTo(channel);
        } catch (IOException e) {
            throw new ProtocolException(
                    "QEMU stopped reading the device state: " + e.getMessage(), e);
        }
    }
}
