package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.stream.RamSplitter;

/** Reads one whole migration stream: memory goes to the store, the rest is kept. */
final class StreamReceiver implements AutoCloseable {
    private final MigrationSocket socket;
    private final StreamedMemory memory;
    private final CompletableFuture<byte[]> received = new CompletableFuture<>();
    private final Thread thread;
    private volatile long receivedBytes;

    private StreamReceiver(MigrationSocket socket, StreamedMemory memory) {
        this.socket = socket;
        this.memory = memory;
        this.thread = Thread.ofPlatform().name("vmckpt-stream").daemon().unstarted(this::receive);
    }

    /** Begins to wait for QEMU. */
    static StreamReceiver start(MigrationSocket socket, StreamedMemory memory) {
        StreamReceiver receiver = new StreamReceiver(socket, memory);
        receiver.thread.start();
        return receiver;
    }

    /** If it fails the connection is closed, and QEMU gives the migration up. */
    private void receive() {
        try (SocketChannel channel = socket.accept()) {
            byte[] devices = RamSplitter.split(new Counted(channel), memory);
            memory.flush();
            received.complete(devices);
        } catch (Throwable e) {
            received.completeExceptionally(e);
        }
    }

    private final class Counted implements ReadableByteChannel {
        private final SocketChannel channel;

        Counted(SocketChannel channel) {
            this.channel = channel;
        }

        @Override
        @SuppressWarnings("NonAtomicVolatileUpdate") // one thread writes it
        public int read(ByteBuffer into) throws IOException {
            int count = channel.read(into);
            receivedBytes += Math.max(count, 0);
            return count;
        }

        @Override
        public boolean isOpen() {
            return channel.isOpen();
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    long receivedBytes() {
        return receivedBytes;
    }

    /** Why reading has failed, if it has. */
    Optional<Throwable> failure() {
        return received.isCompletedExceptionally()
                ? Optional.of(received.exceptionNow())
                : Optional.empty();
    }

    /** What is left of the stream, once QEMU has closed its end. */
    byte[] await(Duration limit) throws VmckptException {
        try {
            return received.get(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof VmckptException known) {
                throw known;
            }
            throw new TransportException("receiving the migration stream: " + e.getCause(), e);
        } catch (TimeoutException e) {
            throw new TransportException(
                    "receiving the migration stream: QEMU did not end it within "
                            + limit.toMillis()
                            + " ms",
                    e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TransportException("receiving the migration stream: interrupted", e);
        }
    }

    /** Hangs up and waits for the thread, which uses the memory's buffers. */
    @Override
    public void close() {
        try {
            memory.giveUp();
            socket.hangUp();
            thread.join();
        } catch (IOException e) {
            throw new IllegalStateException("closing a Unix socket", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
