package org.vmckpt.cow.nbd;

import java.io.IOException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * Sends the answers of a connection's detached requests, in a thread that starts with the first of
 * them. Once sending has failed it only frees their slots.
 */
final class Writer implements Runnable {
    /** Answers are gathered up to this size while more wait. */
    private static final int GATHER_BYTES = 256 << 10;

    private sealed interface Answer {}

    private record Done(DetachedRequest request) implements Answer {}

    private record Bounced(long cookie, int type) implements Answer {}

    private record End() implements Answer {}

    private final Connection connection;
    private final Sender sender;
    private final boolean structured;

    /** Bounded by the connection's slots: each holds a request that is answered once. */
    private final BlockingQueue<Answer> answers = new LinkedBlockingQueue<>();

    private @Nullable Thread thread;
    private boolean broken;

    Writer(Connection connection, Sender sender, boolean structured) {
        this.connection = connection;
        this.sender = sender;
        this.structured = structured;
    }

    void answer(DetachedRequest request) {
        answers.add(new Done(request));
    }

    void bounce(long cookie, int type) {
        answers.add(new Bounced(cookie, type));
        ensureStarted();
    }

    synchronized void ensureStarted() {
        if (thread == null) {
            thread = connection.startThread("nbd-writer", this);
        }
    }

    /** Sends what is still to be sent, and ends the thread. */
    void endAndJoin() throws InterruptedException {
        Thread started;
        synchronized (this) {
            started = thread;
        }
        if (started != null) {
            answers.add(new End());
            started.join();
        }
    }

    @Override
    public void run() {
        try (ReplyBatch batch = new ReplyBatch(sender, structured)) {
            boolean going = true;
            while (going) {
                Answer answer = answers.poll();
                if (answer == null || batch.sizeBytes() > GATHER_BYTES) {
                    send(batch);
                }
                going = add(answer == null ? answers.take() : answer, batch);
            }
            send(batch);
        } catch (IOException e) {
            connection.failed(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private boolean add(Answer answer, ReplyBatch batch) {
        switch (answer) {
            case Done done -> addDone(done.request(), batch);
            case Bounced bounced -> batch.addResult(bounced.cookie(), bounced.type(), NbdError.EIO);
            case End end -> {
                return false;
            }
        }
        return true;
    }

    private void addDone(DetachedRequest request, ReplyBatch batch) {
        boolean withData =
                request.result() == NbdError.NONE && (request.isRead() || request.isBlockStatus());
        if (!withData) {
            batch.addResult(request.cookie(), request.type(), request.result());
        } else {
            int length = request.data().remaining();
            batch.addHeaderOf(request, length);
            if (length <= Slots.SMALL_BYTES && batch.hasRoom(length)) {
                batch.addData(request.data());
            } else {
                sendWith(batch, request);
            }
        }
        connection.free(request.slot());
    }

    private void sendWith(ReplyBatch batch, DetachedRequest request) {
        try {
            if (!broken) {
                batch.sendWith(request.data());
            }
        } catch (IOException e) {
            broken = true;
            connection.failed(e);
        }
    }

    private void send(ReplyBatch batch) {
        try {
            if (broken) {
                batch.drop();
            } else {
                batch.send();
            }
        } catch (IOException e) {
            broken = true;
            connection.failed(e);
        }
    }
}
