package org.vmckpt.cow.nbd;

import java.io.IOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.SocketChannel;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.cow.volume.Volume;

/** One client, from its handshake to its end. */
final class Connection implements Runnable {
    private static final Logger LOG = LoggerFactory.getLogger(Connection.class);

    /** A handshake takes milliseconds; one that does not end would keep others out. */
    static final long HANDSHAKE_NANOS = 10_000_000_000L;

    private final NbdServer server;
    private final SocketChannel socket;
    private final long number;
    private final long startedNanos = System.nanoTime();
    private final Sender sender;
    private final Pace pace = new Pace();

    /** Set once, by the connection's first thread, when the handshake is done. */
    private volatile @Nullable Service service;

    /** What there is of a connection behind its handshake. */
    private record Service(Session session, Writer writer, Slots slots) {}

    /** Guards the reader, which others relieve. */
    private final Object readerLock = new Object();

    private @Nullable Reader reader;
    private long lastExecuting = -1;

    Connection(NbdServer server, SocketChannel socket, long number) {
        this.server = server;
        this.socket = socket;
        this.number = number;
        this.sender = new Sender(socket);
    }

    @Override
    public void run() {
        Reader first = null;
        try {
            first = shakeHands();
        } catch (IOException | ProtocolException e) {
            failed(e);
        } finally {
            if (first == null) {
                server.ended(this);
            }
        }
        if (first != null) {
            first.run();
        }
    }

    private @Nullable Reader shakeHands() throws IOException, ProtocolException {
        ReceiveBuffer in = new ReceiveBuffer(socket);
        boolean keep = false;
        try {
            Optional<Session> agreed = new Handshake(in, socket, server.exports()).run();
            if (agreed.isEmpty()) {
                return null;
            }
            Session session = agreed.get();
            Slots slots = new Slots();
            service =
                    new Service(
                            session, new Writer(this, sender, session.structuredReplies()), slots);
            Reader first = new Reader(this, in, null);
            synchronized (readerLock) {
                reader = first;
            }
            keep = true;
            return first;
        } finally {
            if (!keep) {
                in.close();
            }
        }
    }

    private Service service() {
        Service made = service;
        if (made == null) {
            throw new IllegalStateException("the handshake is not done");
        }
        return made;
    }

    Session session() {
        return service().session();
    }

    Export export() {
        return session().export();
    }

    Volume volume() {
        return export().volume();
    }

    Writer writer() {
        return service().writer();
    }

    Slots slots() {
        return service().slots();
    }

    void free(Slots.Slot slot) {
        slots().free(slot);
    }

    Sender sender() {
        return sender;
    }

    Pace pace() {
        return pace;
    }

    Thread startThread(String name, Runnable task) {
        Thread thread = new Thread(task, name + "-" + number);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    boolean serves(Export export) {
        Service made = service;
        return made != null && made.session().export() == export;
    }

    /** Relieves the reader if it is caught in a request. */
    void relieve() {
        synchronized (readerLock) {
            try {
                Reader successor = reader == null ? null : reader.relieve();
                if (successor != null) {
                    reader = successor;
                    startThread("nbd-reader", successor);
                }
            } catch (IOException e) {
                failed(e);
            }
        }
    }

    /** Every some milliseconds: ends what does not get ahead. */
    void tick(long nowNanos) {
        if (service == null) {
            if (nowNanos - startedNanos > HANDSHAKE_NANOS) {
                failed(new ProtocolException("NBD handshake: not done in time"));
            }
            return;
        }
        long executing;
        synchronized (readerLock) {
            executing = reader == null ? -1 : reader.executing();
        }
        if (executing >= 0 && executing == lastExecuting) {
            pace.wasStuck();
            relieve();
        }
        lastExecuting = executing;
    }

    /** The client broke the protocol, or cannot be reached any more. */
    void failed(Exception why) {
        if (!(why instanceof AsynchronousCloseException) && socket.isOpen()) {
            LOG.debug("NBD connection {} ends: {}", number, why.toString());
        }
        closeSocket();
    }

    /** No more requests come: ends what there is of the connection once all are done. */
    void readerEnded() {
        synchronized (readerLock) {
            reader = null;
        }
        try {
            slots().awaitAll();
            writer().endAndJoin();
            slots().close();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            server.ended(this);
        }
    }

    void closeSocket() {
        try {
            socket.close();
        } catch (IOException e) {
            LOG.debug("closing NBD connection {}: {}", number, e.toString());
        }
    }
}
