package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;

/**
 * Takes one migration stream from a Unix socket as fast as it comes, and throws it away or writes
 * it to a file. The file is not synced: that is {@link #sync}.
 */
final class StreamSink implements AutoCloseable {
    private static final int CHUNK_BYTES = 1 << 20;

    private final Path socket;
    private final ServerSocketChannel server;
    private final @Nullable FileChannel file;
    private final CompletableFuture<Long> drained = new CompletableFuture<>();

    private StreamSink(Path socket, @Nullable FileChannel file) throws IOException {
        this.socket = socket;
        this.file = file;
        Files.deleteIfExists(socket);
        this.server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(socket));
    }

    static StreamSink discarding(Path folder) throws IOException {
        return started(new StreamSink(folder.resolve("stream.sock"), null));
    }

    /** The file is made, or emptied. */
    static StreamSink toFile(Path folder, Path file) throws IOException {
        FileChannel channel =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE);
        return started(new StreamSink(folder.resolve("stream.sock"), channel));
    }

    private static StreamSink started(StreamSink sink) {
        Thread.ofPlatform().daemon().name("bench-stream").start(sink::drain);
        return sink;
    }

    private void drain() {
        try (SocketChannel stream = server.accept()) {
            ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_BYTES);
            long bytes = 0;
            while (stream.read(chunk) >= 0) {
                chunk.flip();
                bytes += chunk.remaining();
                if (file != null) {
                    while (chunk.hasRemaining()) {
                        file.write(chunk);
                    }
                }
                chunk.clear();
            }
            drained.complete(bytes);
        } catch (IOException e) {
            drained.completeExceptionally(e);
        }
    }

    /** Where QEMU is to migrate to. */
    String uri() {
        return "unix:" + socket;
    }

    /** Waits for the end of the stream and returns its length. */
    long awaitEnd() throws IOException, InterruptedException {
        try {
            return drained.get();
        } catch (ExecutionException e) {
            throw new IOException("cannot take QEMU's migration stream", e.getCause());
        }
    }

    void sync() throws IOException {
        if (file != null) {
            file.force(true);
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
        if (file != null) {
            file.close();
        }
        Files.deleteIfExists(socket);
    }
}
