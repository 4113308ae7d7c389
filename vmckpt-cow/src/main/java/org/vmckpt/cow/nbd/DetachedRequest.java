package org.vmckpt.cow.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * A request that its connection's reader has given away: with its data in a slot, executed by a
 * thread of its export, answered by the connection's writer.
 */
final class DetachedRequest extends NbdRequest implements Runnable {
    private final Connection connection;
    private final Slots.Slot slot;
    private NbdError result = NbdError.NONE;

    private DetachedRequest(Connection connection, Slots.Slot slot) {
        this.connection = connection;
        this.slot = slot;
    }

    /**
     * Gives a request away; waits while too many others are under way.
     *
     * @param payload of a write: its data
     * @param out sent before a wait
     */
    static void detach(
            InlineRequest request, ByteBuffer payload, Connection connection, ReplyBatch out)
            throws IOException, InterruptedException {
        long bytes = request.isRead() || request.isWrite() ? request.length() : 0;
        Slots.Slot slot = connection.slots().poll(bytes);
        if (slot == null) {
            out.send();
            slot = connection.slots().take(bytes);
        }
        connection.writer().ensureStarted();
        DetachedRequest detached = new DetachedRequest(connection, slot);
        detached.copyOf(request);
        if (request.isWrite()) {
            slot.memory().clear().put(payload);
        }
        switch (connection.volume().ledger().begin(detached)) {
            case RUN -> connection.export().threads().execute(detached);
            case WAIT -> {
                // The ledger resumes it.
            }
            case REFUSED -> {
                detached.refuse(NbdError.EIO);
                connection.writer().answer(detached);
            }
        }
    }

    /** Where a write's data is put before it is entered, and from where a read's is sent. */
    ByteBuffer data() {
        return slot.memory();
    }

    Slots.Slot slot() {
        return slot;
    }

    NbdError result() {
        return result;
    }

    private void refuse(NbdError error) {
        result = error;
    }

    @Override
    public void run() {
        ByteBuffer memory = slot.memory().clear();
        if (isRead() || isWrite()) {
            memory.limit((int) length());
        }
        result = execute(connection.volume(), memory);
        if (isRead() || isWrite()) {
            memory.rewind();
        } else {
            memory.flip();
        }
        if (connection.volume().ledger().end(this)) {
            connection.writer().answer(this);
        } else {
            connection.free(slot);
        }
    }

    @Override
    protected void resume() {
        connection.export().threads().execute(this);
    }

    @Override
    protected void bounce() {
        connection.writer().bounce(cookie(), type());
        if (wasRefused()) {
            connection.free(slot);
        }
    }
}
