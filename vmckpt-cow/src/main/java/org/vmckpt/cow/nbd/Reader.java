package org.vmckpt.cow.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.cow.volume.Ledger;

/**
 * Reads a connection's requests one after another, and executes those itself that are fast. A
 * reader that is caught in one may be relieved: then it answers that request and ends.
 */
final class Reader implements Runnable {
    private static final int READING = 0;
    private static final int EXECUTING = 1;
    private static final int RELIEVED = 2;

    /** Replies are gathered up to these, so that the client has something to do while we work. */
    private static final int GATHER_BYTES = 64 << 10;

    private static final int GATHER_REPLIES = 16;

    private final Connection connection;
    private final ReceiveBuffer in;
    private final ReplyBatch out;
    private final ByteBuffer payload;
    private final @Nullable Reader relieved;
    private final AtomicInteger state = new AtomicInteger(READING);

    /** Whether a successor has taken all that it needs from this reader. */
    private final CountDownLatch handedOver = new CountDownLatch(1);

    private InlineRequest request;

    /** How many requests were executed; written before the state says so. */
    private long executions;

    /**
     * @param in with what has come behind the handshake; closed by this reader
     * @param relieved whose complete replies are to be sent first
     */
    Reader(Connection connection, ReceiveBuffer in, @Nullable Reader relieved) throws IOException {
        this.connection = connection;
        this.in = in;
        this.out = new ReplyBatch(connection.sender(), connection.session().structuredReplies());
        this.payload = in.bytes().duplicate();
        this.relieved = relieved;
        this.request = new InlineRequest(connection.writer(), false);
    }

    /** Serves requests until the client leaves, or it is relieved. */
    @Override
    public void run() {
        boolean replaced = false;
        try (in;
                out) {
            if (relieved != null) {
                takeOver(relieved);
            }
            while (serveNext()) {
                // All is done there.
            }
            replaced = state.get() == RELIEVED;
            if (!replaced) {
                out.send();
            }
        } catch (ProtocolException | IOException e) {
            replaced = state.get() == RELIEVED;
            connection.failed(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            if (!replaced) {
                connection.readerEnded();
            }
        }
    }

    /**
     * For others: the number of the request that it executes itself just now, or -1. The same
     * number twice means that it was caught in that one all the time.
     */
    long executing() {
        return state.get() == EXECUTING ? executions : -1;
    }

    /** For others: if it executes a request itself, somebody else goes on reading. */
    @Nullable Reader relieve() throws IOException {
        ReceiveBuffer rest = in.another();
        try {
            // Made before the old one is told to end: from then on there must be a new one.
            Reader successor = new Reader(connection, rest, this);
            if (state.compareAndSet(EXECUTING, RELIEVED)) {
                rest.takeRestOf(in);
                return successor;
            }
            successor.out.close();
            rest.close();
            return null;
        } catch (IOException e) {
            rest.close();
            throw e;
        }
    }

    private static void takeOver(Reader other) throws IOException {
        try {
            other.out.sendComplete();
        } finally {
            other.handedOver.countDown();
        }
    }

    private boolean serveNext() throws IOException, ProtocolException, InterruptedException {
        if (!in.has(Protocol.REQUEST_BYTES)) {
            out.send();
            if (!in.await(Protocol.REQUEST_BYTES)) {
                return false;
            }
        }
        request.parse(in.bytes());
        if (request.isDisconnect()) {
            return false;
        }
        NbdError fault = request.check(connection.session());
        if (fault != NbdError.NONE || (request.length() == 0 && request.mayRunInline())) {
            skipPayload();
            answer(fault);
            return true;
        }
        if (request.needsPieces()) {
            answerPieces();
            return true;
        }
        int payloadBytes = request.isWrite() ? (int) request.length() : 0;
        awaitPayload(payloadBytes);
        int start = in.bytes().position();
        in.bytes().position(start + payloadBytes);
        payload.limit(start + payloadBytes).position(start);
        return serve();
    }

    private boolean serve() throws IOException, InterruptedException {
        Ledger ledger = connection.volume().ledger();
        if (request.mayRunInline() && isFast() && ledger.tryBegin(request)) {
            return executeInline(ledger);
        }
        DetachedRequest.detach(request, payload, connection, out);
        return true;
    }

    private boolean isFast() throws IOException {
        Pace pace = connection.pace();
        if (pace.isTrialDue()) {
            out.send();
            pace.beginTrial(connection.slots().awaitQuiet());
        }
        return pace.isFast(!in.has(1) && connection.slots().areQuiet());
    }

    private boolean executeInline(Ledger ledger) throws IOException, InterruptedException {
        boolean read = request.isRead();
        int length = (int) request.length();
        if (read && !out.hasRoom(length)) {
            out.send();
        }
        ByteBuffer data = read ? out.dataOfNext(length) : payload;
        executions++;
        state.set(EXECUTING);
        long start = System.nanoTime();
        NbdError result = request.execute(connection.volume(), data);
        long nanos = System.nanoTime() - start;
        if (read) {
            connection.pace().tookRead(nanos, length);
        } else {
            connection.pace().tookWrite(nanos, length);
        }
        boolean mine = state.compareAndSet(EXECUTING, READING);
        boolean unanswered = ledger.end(request);
        boolean withData = read && result == NbdError.NONE;
        if (!mine) {
            handedOver.await();
            if (unanswered && withData) {
                out.sendOnlyRead(request);
            } else if (unanswered) {
                out.sendOnlyResult(request, result);
            }
            return false;
        }
        if (!unanswered) {
            // It may still be about to bounce: it is not used again.
            request = new InlineRequest(connection.writer(), false);
        } else if (withData) {
            out.addRead(request);
            sendWhenFull();
        } else {
            answer(result);
        }
        return true;
    }

    private void answerPieces() throws IOException, InterruptedException {
        PieceTransfer pieces = new PieceTransfer(connection, in, out);
        if (request.isRead()) {
            pieces.read(request);
        } else {
            answer(pieces.write(request));
        }
    }

    private void answer(NbdError result) throws IOException {
        out.addResult(request.cookie(), request.type(), result);
        sendWhenFull();
    }

    private void sendWhenFull() throws IOException {
        if (out.sizeBytes() >= GATHER_BYTES || out.replies() >= GATHER_REPLIES) {
            out.send();
        }
    }

    private void awaitPayload(int bytes) throws IOException {
        if (!in.has(bytes)) {
            out.send();
            if (!in.await(bytes)) {
                throw new EOFException("the client went away before the data of a write");
            }
        }
    }

    /** Of a write that is not done: its data comes nevertheless. */
    private void skipPayload() throws IOException {
        long left = request.isWrite() ? request.length() : 0;
        while (left > 0) {
            awaitPayload(1);
            int some = (int) Math.min(left, in.bytes().remaining());
            in.bytes().position(in.bytes().position() + some);
            left -= some;
        }
    }
}
