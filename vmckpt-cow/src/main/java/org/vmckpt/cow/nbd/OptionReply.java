package org.vmckpt.cow.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

/** Sends the replies to one option of the handshake. */
final class OptionReply {
    private final SocketChannel socket;
    private final int option;

    OptionReply(SocketChannel socket, int option) {
        this.socket = socket;
        this.option = option;
    }

    void acknowledge() throws IOException {
        send(Protocol.REP_ACK, ByteBuffer.allocate(0));
    }

    void fail(int type, String why) throws IOException {
        send(type, text(why));
    }

    void server(String name) throws IOException {
        ByteBuffer bytes = text(name);
        send(
                Protocol.REP_SERVER,
                ByteBuffer.allocate(Integer.BYTES + bytes.remaining())
                        .putInt(bytes.remaining())
                        .put(bytes)
                        .flip());
    }

    void metaContext(int id, String name) throws IOException {
        ByteBuffer bytes = text(name);
        send(
                Protocol.REP_META_CONTEXT,
                ByteBuffer.allocate(Integer.BYTES + bytes.remaining())
                        .putInt(id)
                        .put(bytes)
                        .flip());
    }

    void infoExport(long size, int flags) throws IOException {
        send(
                Protocol.REP_INFO,
                ByteBuffer.allocate(12)
                        .putShort((short) Protocol.INFO_EXPORT)
                        .putLong(size)
                        .putShort((short) flags)
                        .flip());
    }

    void infoText(int type, String value) throws IOException {
        ByteBuffer bytes = text(value);
        send(
                Protocol.REP_INFO,
                ByteBuffer.allocate(Short.BYTES + bytes.remaining())
                        .putShort((short) type)
                        .put(bytes)
                        .flip());
    }

    void infoBlockSize(int least, int preferred, int most) throws IOException {
        send(
                Protocol.REP_INFO,
                ByteBuffer.allocate(14)
                        .putShort((short) Protocol.INFO_BLOCK_SIZE)
                        .putInt(least)
                        .putInt(preferred)
                        .putInt(most)
                        .flip());
    }

    private void send(int type, ByteBuffer data) throws IOException {
        ByteBuffer header =
                ByteBuffer.allocate(20 + data.remaining())
                        .putLong(Protocol.OPTION_REPLY_MAGIC)
                        .putInt(option)
                        .putInt(type)
                        .putInt(data.remaining())
                        .put(data)
                        .flip();
        while (header.hasRemaining()) {
            socket.write(header);
        }
    }

    private static ByteBuffer text(String value) {
        return ByteBuffer.wrap(value.getBytes(StandardCharsets.UTF_8));
    }
}
