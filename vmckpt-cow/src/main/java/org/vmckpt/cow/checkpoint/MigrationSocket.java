package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/** A Unix socket to which QEMU writes one migration stream. */
final class MigrationSocket implements AutoCloseable {
    private final Path folder;
    private final Path socket;
    private final ServerSocketChannel server;
    private volatile @Nullable SocketChannel connection;

    private MigrationSocket(Path folder, Path socket, ServerSocketChannel server) {
        this.folder = folder;
        this.socket = socket;
        this.server = server;
    }

    /** Listens where the user that QEMU runs as can connect, and nobody else. */
    static MigrationSocket listen(long qemuPid) throws VmckptException {
        try {
            Path parent = Files.createDirectories(RuntimeFolder.path());
            Files.setPosixFilePermissions(parent, PosixFilePermissions.fromString("rwx--x--x"));
            Path folder = Files.createTempDirectory(parent, "device-");
            Path socket = folder.resolve("state.sock");
            ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            server.bind(UnixDomainSocketAddress.of(socket), 1);
            UserPrincipal owner = Files.getOwner(Path.of("/proc", Long.toString(qemuPid)));
            Files.setOwner(folder, owner);
            Files.setOwner(socket, owner);
            return new MigrationSocket(folder, socket, server);
        } catch (IOException e) {
            throw new StorageException(
                    "making a socket for the device state in " + RuntimeFolder.path() + ": " + e,
                    e);
        }
    }

    String uri() {
        return "unix:" + socket;
    }

    Path folder() {
        return folder;
    }

    /** Waits for QEMU to connect; the connection is closed with this socket. */
    SocketChannel accept() throws IOException {
        SocketChannel accepted = server.accept();
        connection = accepted;
        return accepted;
    }

    /** Ends the connection, or the wait for it, whoever uses it. */
    void hangUp() throws IOException {
        server.close();
        SocketChannel open = connection;
        if (open != null) {
            open.close();
        }
    }

    @Override
    public void close() {
        try {
            hangUp();
            Files.deleteIfExists(socket);
            Files.deleteIfExists(folder);
        } catch (IOException e) {
            // An empty folder under /run is all that can stay behind.
        }
    }
}
