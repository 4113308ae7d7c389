package org.vmckpt.cow.nbd;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.VmckptException;

/** Serves exports on a Unix socket that only its owner may connect to. */
public final class NbdServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(NbdServer.class);

    /** What connects beyond these is sent away. */
    public static final int MAX_CONNECTIONS = 64;

    private static final long TICK_MILLIS = 10;

    private final Path path;
    private final ServerSocketChannel socket;
    private final Exports exports;
    private final Set<Connection> connections = ConcurrentHashMap.newKeySet();
    private final Thread watchdog;
    private final Thread acceptor;
    private volatile boolean closed;

    private NbdServer(Path path, ServerSocketChannel socket, Collection<Export> exports) {
        this.path = path;
        this.socket = socket;
        this.exports = new Exports(exports);
        this.watchdog = daemon("nbd-watchdog", this::watch);
        this.acceptor = daemon("nbd-acceptor", this::accept);
    }

    /**
     * Listens on a new socket. A socket that a dead server left there is replaced.
     *
     * @param exports closed with the server; their volumes are not
     */
    public static NbdServer start(Path path, Collection<Export> exports) throws VmckptException {
        ServerSocketChannel socket = ServerSocket.listen(path);
        NbdServer server = new NbdServer(path, socket, exports);
        server.watchdog.start();
        server.acceptor.start();
        return server;
    }

    private static Thread daemon(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        return thread;
    }

    Exports exports() {
        return exports;
    }

    /**
     * Has all requests of an export answered with EIO, those under way too, also those that a
     * connection's own thread is caught in.
     *
     * @return how many were under way
     */
    public int hold(Export export) {
        int count = export.volume().hold();
        for (Connection connection : connections) {
            if (connection.serves(export)) {
                connection.relieve();
            }
        }
        return count;
    }

    /** How many clients there are. */
    public int connectionCount() {
        return connections.size();
    }

    private void accept() {
        long number = 0;
        while (!closed) {
            try {
                SocketChannel client = socket.accept();
                if (connections.size() >= MAX_CONNECTIONS) {
                    LOG.warn("{}: a client was sent away, {} are there", path, MAX_CONNECTIONS);
                    client.close();
                    continue;
                }
                Connection connection = new Connection(this, client, number++);
                connections.add(connection);
                connection.startThread("nbd-reader", connection);
            } catch (ClosedChannelException e) {
                return;
            } catch (IOException e) {
                LOG.warn("{}: accepting a client failed: {}", path, e.toString());
                pause();
            }
        }
    }

    private void watch() {
        while (!closed) {
            pause();
            long now = System.nanoTime();
            for (Connection connection : connections) {
                connection.tick(now);
            }
        }
    }

    private static void pause() {
        try {
            Thread.sleep(TICK_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    void ended(Connection connection) {
        connection.closeSocket();
        connections.remove(connection);
    }

    /** Ends all connections, and waits until their requests are done. */
    @Override
    public void close() {
        closed = true;
        try {
            socket.close();
            Files.deleteIfExists(path);
        } catch (IOException e) {
            LOG.warn("closing {}: {}", path, e.toString());
        }
        while (!connections.isEmpty()) {
            connections.forEach(Connection::closeSocket);
            pause();
        }
        exports.all().forEach(Export::close);
    }
}
