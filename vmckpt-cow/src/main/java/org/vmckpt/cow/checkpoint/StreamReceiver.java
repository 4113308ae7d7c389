package org.vmckpt.cow.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
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
final class StreamReceiver {
    private static final int BUFFER_BYTES = 1 << 18;
    private static final Duration END_PATIENCE = Duration.ofSeconds(10);

    private final StreamSource source;
    private final StreamedMemory memory;
    private final CompletableFuture<byte[]> received = new CompletableFuture<>();
    private final Thread thread;
    private volatile long receivedBytes;

    private StreamReceiver(StreamSource source, StreamedMemory memory) {
        this.source = source;
        this.memory = memory;
        this.thread = Thread.ofPlatform().name("vmckpt-stream").daemon().unstarted(this::receive);
    }

    /** Begins to wait for QEMU. */
    static StreamReceiver start(StreamSource source, StreamedMemory memory) {
        StreamReceiver receiver = new StreamReceiver(source, memory);
        receiver.thread.start();
        return receiver;
    }

    private void receive() {
        try (ReadableByteChannel channel = new Counted(source.accept())) {
            try {
                byte[] devices = RamSplitter.split(channel, memory);
                memory.flush();
                received.complete(devices);
            } catch (Throwable e) {
                received.completeExceptionally(e);
                if (source.mustBeDrained()) {
                    throwAway(channel);
                }
            }
        } catch (Throwable e) {
            received.completeExceptionally(e);
        }
    }

    private static void throwAway(ReadableByteChannel channel) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
        while (channel.read(buffer.clear()) >= 0) {
            // On to the end.
        }
    }

    private final class Counted implements ReadableByteChannel {
        private final ReadableByteChannel channel;

        Counted(ReadableByteChannel channel) {
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

    /** Hangs up and waits for the thread: when it has not ended, it still uses the buffers. */
    boolean end() {
        try {
            memory.giveUp();
            source.hangUp();
            return thread.join(END_PATIENCE);
        } catch (IOException e) {
            throw new IllegalStateException("closing a Unix socket", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
