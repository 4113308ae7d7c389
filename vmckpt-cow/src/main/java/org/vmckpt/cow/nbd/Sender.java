package org.vmckpt.cow.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.concurrent.locks.ReentrantLock;

/** Sends whole replies to a client, from several threads. */
final class Sender {
    private final SocketChannel socket;

    /** Held while replies are sent, so that they do not mix. Blocks on a client that is slow. */
    private final ReentrantLock lock = new ReentrantLock();

    Sender(SocketChannel socket) {
        this.socket = socket;
    }

    void send(ByteBuffer bytes) throws IOException {
        lock.lock();
        try {
            while (bytes.hasRemaining()) {
                socket.write(bytes);
            }
        } finally {
            lock.unlock();
        }
    }

    void send(ByteBuffer first, ByteBuffer second) throws IOException {
        ByteBuffer[] both = {first, second};
        lock.lock();
        try {
            while (first.hasRemaining() || second.hasRemaining()) {
                socket.write(both);
            }
        } finally {
            lock.unlock();
        }
    }
}
