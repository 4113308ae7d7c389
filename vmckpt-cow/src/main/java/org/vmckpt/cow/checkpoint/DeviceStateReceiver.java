package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/** Keeps one device stream in memory. */
final class DeviceStateReceiver {
    /** Devices of real guests take 0.4 to 20 MB, video memory included. */
    static final int LIMIT_BYTES = 64 << 20;

    private static final int BUFFER_BYTES = 1 << 20;

    private final MigrationSocket socket;
    private final CompletableFuture<byte[]> received = new CompletableFuture<>();
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);

    private DeviceStateReceiver(MigrationSocket socket) {
        this.socket = socket;
    }

    /** Begins to wait for QEMU; closing the socket ends it. */
    static DeviceStateReceiver start(MigrationSocket socket) {
        DeviceStateReceiver receiver = new DeviceStateReceiver(socket);
        Thread.ofPlatform().name("vmckpt-devices").daemon().start(receiver::receive);
        return receiver;
    }

    private void receive() {
        try (SocketChannel channel = socket.accept()) {
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
}
