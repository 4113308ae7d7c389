package org.vmckpt.cow.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import org.vmckpt.cow.linux.NativeBuffer;

/**
 * What has come from a client and was not used yet, in one run of memory: with one system call as
 * much is read as there is. Its pages are allocated as they are used. For one thread.
 */
final class ReceiveBuffer implements AutoCloseable {
    /** Room for one whole request that is executed in one piece, and some more headers. */
    static final int SIZE_BYTES = Slots.LARGE_BYTES + (64 << 10);

    private final SocketChannel socket;
    private final NativeBuffer memory;
    private final ByteBuffer bytes;

    ReceiveBuffer(SocketChannel socket) throws IOException {
        this.socket = socket;
        this.memory = NativeBuffer.reserve(SIZE_BYTES);
        this.bytes = memory.slice(0, SIZE_BYTES).order(ByteOrder.BIG_ENDIAN).limit(0);
    }

    /** The bytes that are there, from position to limit; what is used moves the position. */
    ByteBuffer bytes() {
        return bytes;
    }

    boolean has(int count) {
        return bytes.remaining() >= count;
    }

    /**
     * Waits until so many bytes are there, and takes all that have come.
     *
     * @return false when the client has ended the connection and nothing is left
     * @throws EOFException if it ended in between
     */
    boolean await(int count) throws IOException {
        while (bytes.remaining() < count) {
            if (!readMore(count)) {
                if (bytes.hasRemaining()) {
                    throw new EOFException("the client went away in the middle of a request");
                }
                return false;
            }
        }
        return true;
    }

    private boolean readMore(int count) throws IOException {
        if (!bytes.hasRemaining()) {
            bytes.clear().limit(0);
        } else if (bytes.position() + count > bytes.capacity()) {
            bytes.compact().flip();
        }
        int start = bytes.position();
        int end = bytes.limit();
        bytes.limit(bytes.capacity()).position(end);
        int read;
        try {
            read = socket.read(bytes);
        } finally {
            bytes.limit(bytes.position()).position(start);
        }
        return read >= 0;
    }

    /** An empty one for the same client. */
    ReceiveBuffer another() throws IOException {
        return new ReceiveBuffer(socket);
    }

    /** Takes over what another one has left, whose thread may still use what it used. */
    void takeRestOf(ReceiveBuffer other) {
        bytes.clear().put(other.bytes.slice()).flip();
    }

    @Override
    public void close() {
        memory.close();
    }
}
