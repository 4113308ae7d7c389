package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.UserPrincipal;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/** The path of a Unix socket to which QEMU writes one migration stream, and who listens there. */
final class MigrationSocket implements StreamSource, AutoCloseable {
    private final Path folder;
    private final Path socket;
    private final UserPrincipal qemu;
    private volatile @Nullable ServerSocketChannel server;
    private volatile @Nullable SocketChannel connection;

    private MigrationSocket(Path folder, Path socket, UserPrincipal qemu) {
        this.folder = folder;
        this.socket = socket;
        this.qemu = qemu;
    }

    /** Makes a folder where the user that QEMU runs as can connect, and nobody else. */
    static MigrationSocket make(long qemuPid) throws VmckptException {
        try {
            Path folder = RuntimeFolder.makeTemporary("device");
            UserPrincipal owner = Files.getOwner(Path.of("/proc", Long.toString(qemuPid)));
            Files.setOwner(folder, owner);
            return new MigrationSocket(folder, folder.resolve("state.sock"), owner);
        } catch (IOException e) {
            throw failure(e);
        }
    }

    private static StorageException failure(IOException cause) {
        return new StorageException(
                "making a socket for the device state in " + RuntimeFolder.path() + ": " + cause,
                cause);
    }

    /** We listen ourselves. */
    void listen() throws VmckptException {
        try {
            ServerSocketChannel listening = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            server = listening;
            listening.bind(UnixDomainSocketAddress.of(socket), 1);
        } catch (IOException e) {
            throw failure(e);
        }
        admitQemu();
    }

    /** Somebody listens: QEMU may connect. */
    void admitQemu() throws VmckptException {
        try {
            Files.setOwner(socket, qemu);
        } catch (IOException e) {
            throw failure(e);
        }
    }

    @Override
    public String uri() {
        return "unix:" + socket;
    }

    Path folder() {
        return folder;
    }

    Path path() {
        return socket;
    }

    @Override
    public SocketChannel accept() throws IOException {
        ServerSocketChannel listening = server;
        if (listening == null) {
            throw new IllegalStateException("nobody listens on " + socket);
        }
        SocketChannel accepted = listening.accept();
        connection = accepted;
        return accepted;
    }

    /** The guest stands still, so the sooner QEMU notices that nobody reads, the better. */
    @Override
    public boolean mustBeDrained() {
        return false;
    }

    @Override
    public void hangUp() throws IOException {
        ServerSocketChannel listening = server;
        if (listening != null) {
            listening.close();
        }
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
            // An empty folder under /run is all that can stay behind, for a while.
        }
    }
}
