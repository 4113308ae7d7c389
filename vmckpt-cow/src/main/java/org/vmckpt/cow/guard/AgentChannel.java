package org.vmckpt.cow.guard;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/**
 * The connection to the QEMU guest agent, whose protocol is in QEMU's docs/interop/qemu-ga.rst:
 * lines of JSON, one answer to each command. The guest may be slow, gone, or hostile, so nothing
 * waits without a limit or reads without a bound. Of the JDK alone, for the guard.
 */
public final class AgentChannel implements AutoCloseable {
    /** Ends what an earlier client left half-sent, and begins the answer to a sync. */
    private static final int SENTINEL = 0xff;

    private static final int LONGEST_ANSWER = 1 << 20;

    private final SocketChannel channel;
    private final Selector selector;
    private final ByteBuffer received = ByteBuffer.allocate(4 << 10).limit(0);

    private AgentChannel(SocketChannel channel, Selector selector) {
        this.channel = channel;
        this.selector = selector;
    }

    /** Connects to QEMU, and makes sure that an agent answers, and answers us. */
    public static AgentChannel connect(Path socket, Duration limit) throws IOException {
        SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
        try {
            channel.configureBlocking(false);
            AgentChannel agent = new AgentChannel(channel, Selector.open());
            agent.channel.register(agent.selector, SelectionKey.OP_READ);
            agent.sync(limit);
            return agent;
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** Whatever was under way: the next answer is that to the next command. */
    private void sync(Duration limit) throws IOException {
        long deadline = System.nanoTime() + limit.toNanos();
        String id = Integer.toString(ThreadLocalRandom.current().nextInt(Integer.MAX_VALUE));
        channel.write(ByteBuffer.wrap(new byte[] {(byte) SENTINEL}));
        send(
                "{\"execute\": \"guest-sync-delimited\", \"arguments\": {\"id\": " + id + "}}",
                deadline);
        String answer;
        do {
            while (next(deadline) != SENTINEL) {
                // Answers to somebody who is gone.
            }
            answer = line(deadline);
        } while (!answer.matches(".*\"return\":\\s*" + id + "\\D.*"));
    }

    /** The answer as it came: an object with {@code return} or {@code error}. */
    public String call(String command, Duration limit) throws IOException {
        long deadline = System.nanoTime() + limit.toNanos();
        send(command, deadline);
        return line(deadline);
    }

    private void send(String line, long deadline) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) {
            if (channel.write(bytes) == 0) {
                await(SelectionKey.OP_WRITE, deadline);
            }
        }
    }

    private String line(long deadline) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int one = next(deadline); one != '\n'; one = next(deadline)) {
            if (line.size() == LONGEST_ANSWER) {
                throw new IOException("the answer has no end");
            }
            line.write(one);
        }
        return line.toString(StandardCharsets.UTF_8);
    }

    private int next(long deadline) throws IOException {
        while (!received.hasRemaining()) {
            received.clear();
            int count = channel.read(received);
            received.flip();
            if (count < 0) {
                throw new IOException("QEMU closed the connection");
            }
            if (count == 0) {
                await(SelectionKey.OP_READ, deadline);
            }
        }
        return received.get() & 0xff;
    }

    private void await(int operation, long deadline) throws IOException {
        channel.keyFor(selector).interestOps(operation);
        long left = (deadline - System.nanoTime()) / 1_000_000;
        if (left <= 0) {
            throw new SocketTimeoutException("no answer in time");
        }
        selector.select(left);
        selector.selectedKeys().clear();
        if (Thread.currentThread().isInterrupted()) {
            throw new IOException("interrupted");
        }
    }

    @Override
    public void close() {
        try {
            selector.close();
            channel.close();
        } catch (IOException e) {
            // It is gone either way.
        }
    }
}
