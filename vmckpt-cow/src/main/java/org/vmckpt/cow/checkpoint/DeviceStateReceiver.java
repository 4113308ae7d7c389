package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/** A Unix socket to which QEMU writes one device stream; it is kept in memory. */
final class DeviceStateReceiver implements AutoCloseable {
    /** Devices of real guests take 0.4 to 20 MB, video memory included. */
    static final int LIMIT_BYTES = 64 << 20;

    private static final int BUFFER_BYTES = 1 << 20;

    private final Path folder;
    private final Path socket;
    private final ServerSocketChannel server;
    private final CompletableFuture<byte[]> received = new CompletableFuture<>();
    private volatile @Nullable SocketChannel connection;
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);

    private DeviceStateReceiver(Path folder, Path socket, ServerSocketChannel server) {
        this.folder = folder;
        this.socket = socket;
        this.server = server;
    }

    /** Listens where the user that QEMU runs as can connect, and nobody else. */
    static DeviceStateReceiver listen(long qemuPid) throws VmckptException {
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
            DeviceStateReceiver receiver = new DeviceStateReceiver(folder, socket, server);
            Thread.ofPlatform().name("vmckpt-devices").daemon().start(receiver::receive);
            return receiver;
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

    private void receive() {
        try (SocketChannel channel = server.accept()) {
            connection = channel;
            List<byte[]> chunks = new ArrayList<>();
            int size = 0;
            while (channel.read(buffer.clear()) >= 0) {
                buffer.flip();
                byte[] chunk = new byte[buffer.remaining()];
                buffer.get(chunk);
                chunks.add(chunk);
                size += chunk.length;
                if (size > LIMIT_BYTES) {
                    throw new IOException(
                            "the device state is larger than "
                                    + LIMIT_BYTES
                                    + " bytes: the guest has more RAM outside its shared memory"
                                    + " backends");
                }
            }
            received.complete(join(chunks, size));
        } catch (Throwable e) {
            // Also for want of memory: the guest stands still until this is known.
            received.completeExceptionally(e);
        }
    }

    private static byte[] join(List<byte[]> chunks, int sizeBytes) {
        ByteBuffer all = ByteBuffer.allocate(sizeBytes);
        chunks.forEach(all::put);
        return all.array();
    }

    /** The whole stream, once QEMU has closed its end. */
    byte[] await(Duration timeout) throws VmckptException {
        try {
            return received.get(timeout.toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            throw new TransportException("receiving the device state: " + e.getMessage(), e);
        } catch (TimeoutException e) {
            throw new TransportException(
                    "receiving the device state: QEMU did not finish it within "
                            + timeout.toMillis()
                            + " ms",
                    e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TransportException("receiving the device state: interrupted", e);
        }
    }

    @Override
    public void close() {
        try {
            server.close();
            SocketChannel open = connection;
            if (open != null) {
                open.close();
            }
            Files.deleteIfExists(socket);
            Files.deleteIfExists(folder);
        } catch (IOException e) {
            // An empty folder under /run is all that can stay behind.
        }
    }
}
