package org.vmckpt.cow.nbd;

import java.io.IOException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/** Unix sockets that servers listen on. */
public final class ServerSocket {
    private ServerSocket() {}

    /**
     * Listens on a new socket that only its owner may connect to. One that a dead server left there
     * is replaced.
     *
     * @throws ConflictException if somebody listens there
     */
    public static ServerSocketChannel listen(Path path) throws VmckptException {
        try {
            removeDead(path);
            ServerSocketChannel socket = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            try {
                socket.bind(UnixDomainSocketAddress.of(path));
                Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"));
                return socket;
            } catch (IOException e) {
                socket.close();
                throw e;
            }
        } catch (IOException | UnsupportedOperationException e) {
            throw new TransportException("listening on " + path + ": " + e, e);
        }
    }

    private static void removeDead(Path path) throws IOException, ConflictException {
        if (!Files.exists(path)) {
            return;
        }
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            probe.connect(UnixDomainSocketAddress.of(path));
            throw new ConflictException(
                    "listening on "
                            + path
                            + ": somebody serves there; end it, or use another path");
        } catch (ConnectException dead) {
            Files.delete(path);
        }
    }
}
