package org.vmckpt.core.qmp;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.Json;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;

/** The Unix socket of a QMP server: how it is reached, and how one knows that it is none. */
final class QmpSocket {
    static final String HELD_BY_ANOTHER =
            "most likely another client (libvirt, a monitor shell, another vmckpt) holds it,"
                    + " because QEMU serves one QMP client at a time; close that client or give the"
                    + " guest a second QMP socket";

    private QmpSocket() {}

    static SocketChannel open(Path socketPath) throws VmckptException {
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

    /** One line of the other side. */
    static JsonNode parse(String line, Path socketPath) throws ProtocolException {
        try {
            JsonNode message = Json.MAPPER.readTree(line);
            if (message == null || !message.isObject()) {
                throw notQmp(line, socketPath);
            }
            return message;
        } catch (JsonProcessingException e) {
            throw notQmp(line, socketPath);
        }
    }

    static ProtocolException notQmp(String line, Path socketPath) {
        String start = line.length() > 60 ? line.substring(0, 60) + "..." : line;
        return new ProtocolException(
                socketPath
                        + " is not a QMP socket: expected a JSON greeting, found \""
                        + start.strip()
                        + "\"; give the socket of -qmp, not of -monitor or -serial");
    }
}
