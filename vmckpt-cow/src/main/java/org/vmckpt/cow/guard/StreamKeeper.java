package org.vmckpt.cow.guard;

import java.io.IOException;
import java.io.PrintStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;

/**
 * Holds the connection that QEMU writes a background snapshot to, beside the process that reads it.
 *
 * <p>A background snapshot that cannot be written leaves QEMU with memory that it has protected and
 * does not release: whoever in QEMU writes it next hangs for good, holding the lock that the
 * clean-up needs. So the connection must never break. If the reader dies, the rest is read here and
 * thrown away, and QEMU releases its memory as if nothing had happened.
 */
final class StreamKeeper {
    /** Followed by the number of the connection's descriptor in this process. */
    static final String CONNECTED = "connected ";

    private static final int BUFFER_BYTES = 1 << 18;

    private final ServerSocketChannel server;
    private final CountDownLatch abandoned = new CountDownLatch(1);
    private final Thread thread;
    private volatile boolean connected;

    private StreamKeeper(ServerSocketChannel server, PrintStream answers) {
        this.server = server;
        this.thread = Thread.ofPlatform().daemon().unstarted(() -> keep(answers));
    }

    /** Listens; after QEMU has connected, says so in one line. */
    static StreamKeeper listen(Path socket, PrintStream answers) throws IOException {
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(socket), 1);
        StreamKeeper keeper = new StreamKeeper(server, answers);
        keeper.thread.start();
        return keeper;
    }

    private void keep(PrintStream answers) {
        try {
            Set<Integer> before = sockets();
            try (SocketChannel connection = server.accept()) {
                connected = true;
                Set<Integer> now = sockets();
                now.removeAll(before);
                answers.println(CONNECTED + now.iterator().next());
                answers.flush();
                abandoned.await();
                ByteBuffer thrownAway = ByteBuffer.allocateDirect(BUFFER_BYTES);
                while (connection.read(thrownAway.clear()) >= 0) {
                    // On to the end.
                }
            }
        } catch (IOException e) {
            // The server was closed, or QEMU is gone.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static Set<Integer> sockets() throws IOException {
        Set<Integer> numbers = new TreeSet<>();
        try (DirectoryStream<Path> open = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (Path entry : open) {
                if (isSocket(entry)) {
                    numbers.add(Integer.parseInt(entry.getFileName().toString()));
                }
            }
        }
        return numbers;
    }

    private static boolean isSocket(Path entry) {
        try {
            return Files.readSymbolicLink(entry).toString().startsWith("socket:");
        } catch (IOException e) {
            return false; // closed meanwhile: the folder's own descriptor
        }
    }

    /** The reader is dead: reads in its place. */
    void takeOver() {
        abandoned.countDown();
    }

    /** Waits for the end of the stream, if there is one. */
    void awaitEnd() throws IOException, InterruptedException {
        if (!connected) {
            server.close();
        }
        thread.join();
    }
}
