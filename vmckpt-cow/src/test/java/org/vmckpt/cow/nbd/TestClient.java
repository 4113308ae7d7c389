package org.vmckpt.cow.nbd;

import java.io.DataInputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A client that says whatever a test wants it to, also what no client should. */
public final class TestClient implements AutoCloseable {
    /** One reply to an option. */
    public record OptionAnswer(int type, ByteBuffer content) {
        public byte[] data() {
            byte[] bytes = new byte[content.capacity()];
            content.get(0, bytes);
            return bytes;
        }
    }

    /** A simple reply. */
    public record Reply(int error, long cookie) {}

    /** A structured chunk. */
    public record Chunk(int flags, int type, long cookie, ByteBuffer content) {
        public byte[] data() {
            byte[] bytes = new byte[content.capacity()];
            content.get(0, bytes);
            return bytes;
        }

        public boolean isLast() {
            return (flags & Protocol.REPLY_FLAG_DONE) != 0;
        }
    }

    private final SocketChannel socket;
    private final DataInputStream in;

    private TestClient(SocketChannel socket) {
        this.socket = socket;
        this.in = new DataInputStream(Channels.newInputStream(socket));
    }

    /** Connects and says nothing. */
    public static TestClient connect(Path path) throws IOException {
        SocketChannel socket = SocketChannel.open(StandardProtocolFamily.UNIX);
        socket.connect(UnixDomainSocketAddress.of(path));
        return new TestClient(socket);
    }

    /** Connects, and answers the greeting. */
    public static TestClient greet(Path path, int flags) throws IOException {
        TestClient client = connect(path);
        client.in.readFully(new byte[18]);
        client.send(ByteBuffer.allocate(4).putInt(flags));
        return client;
    }

    /** Has agreed on an export, with simple replies. */
    public static TestClient simple(Path path, String export) throws IOException {
        TestClient client = greet(path, 3);
        client.go(export);
        return client;
    }

    /** Has agreed on an export, with structured replies and base:allocation. */
    public static TestClient structured(Path path, String export) throws IOException {
        TestClient client = greet(path, 3);
        client.option(Protocol.OPT_STRUCTURED_REPLY, new byte[0]);
        client.option(
                Protocol.OPT_SET_META_CONTEXT, contextQuery(export, Protocol.BASE_ALLOCATION));
        client.go(export);
        return client;
    }

    public static byte[] contextQuery(String export, String... queries) {
        ByteBuffer data = ByteBuffer.allocate(4096);
        putString(data, export);
        data.putInt(queries.length);
        for (String query : queries) {
            putString(data, query);
        }
        byte[] bytes = new byte[data.flip().remaining()];
        data.get(bytes);
        return bytes;
    }

    public static byte[] infoQuery(String export, int... infos) {
        ByteBuffer data =
                ByteBuffer.allocate(
                        4 + export.getBytes(StandardCharsets.UTF_8).length + 2 + 2 * infos.length);
        putString(data, export);
        data.putShort((short) infos.length);
        for (int info : infos) {
            data.putShort((short) info);
        }
        return data.array();
    }

    private static void putString(ByteBuffer into, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        into.putInt(bytes.length).put(bytes);
    }

    private void go(String export) throws IOException {
        List<OptionAnswer> answers = option(Protocol.OPT_GO, infoQuery(export));
        if (answers.getLast().type() != Protocol.REP_ACK) {
            throw new IOException("the server refused: " + answers.getLast().type());
        }
    }

    /** Sends an option and takes all replies to it. */
    public List<OptionAnswer> option(int option, byte[] data) throws IOException {
        sendOption(option, data.length, data);
        return optionAnswers();
    }

    public void sendOption(int option, int length, byte[] data) throws IOException {
        send(
                ByteBuffer.allocate(16 + data.length)
                        .putLong(Protocol.IHAVEOPT)
                        .putInt(option)
                        .putInt(length)
                        .put(data));
    }

    public List<OptionAnswer> optionAnswers() throws IOException {
        List<OptionAnswer> answers = new ArrayList<>();
        OptionAnswer answer;
        do {
            if (in.readLong() != Protocol.OPTION_REPLY_MAGIC) {
                throw new IOException("no reply to an option");
            }
            in.readInt();
            int type = in.readInt();
            answer = new OptionAnswer(type, ByteBuffer.wrap(in.readNBytes(in.readInt())));
            answers.add(answer);
        } while (answer.type() != Protocol.REP_ACK && answer.type() > 0);
        return answers;
    }

    public void request(int type, int flags, long cookie, long offset, long length)
            throws IOException {
        request(type, flags, cookie, offset, length, new byte[0]);
    }

    public void request(int type, int flags, long cookie, long offset, long length, byte[] data)
            throws IOException {
        send(
                ByteBuffer.allocate(28 + data.length)
                        .putInt(Protocol.REQUEST_MAGIC)
                        .putShort((short) flags)
                        .putShort((short) type)
                        .putLong(cookie)
                        .putLong(offset)
                        .putInt((int) length)
                        .put(data));
    }

    public void write(long cookie, long offset, byte[] data) throws IOException {
        request(Protocol.CMD_WRITE, 0, cookie, offset, data.length, data);
    }

    public Reply reply() throws IOException {
        if (in.readInt() != Protocol.SIMPLE_REPLY_MAGIC) {
            throw new IOException("no simple reply");
        }
        return new Reply(in.readInt(), in.readLong());
    }

    public Chunk chunk() throws IOException {
        if (in.readInt() != Protocol.STRUCTURED_REPLY_MAGIC) {
            throw new IOException("no structured reply");
        }
        int flags = in.readUnsignedShort();
        int type = in.readUnsignedShort();
        long cookie = in.readLong();
        return new Chunk(flags, type, cookie, ByteBuffer.wrap(in.readNBytes(in.readInt())));
    }

    /** Reads with simple replies. */
    public byte[] read(long offset, int length) throws IOException {
        request(Protocol.CMD_READ, 0, 7, offset, length);
        Reply reply = reply();
        if (reply.error() != 0) {
            throw new IOException("read failed with " + reply.error());
        }
        return in.readNBytes(length);
    }

    public byte[] data(int length) throws IOException {
        return in.readNBytes(length);
    }

    /** Whether the server has ended the connection; waits for either that or a byte. */
    public boolean isEnded() throws IOException {
        try {
            return in.read() < 0;
        } catch (IOException reset) {
            return true;
        }
    }

    public boolean isOpen() {
        return socket.isOpen();
    }

    public void send(ByteBuffer bytes) throws IOException {
        bytes.rewind();
        while (bytes.hasRemaining()) {
            socket.write(bytes);
        }
    }

    /** Goes away at once. */
    public void leave() throws IOException {
        socket.close();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
