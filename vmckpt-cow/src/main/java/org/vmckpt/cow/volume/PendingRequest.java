package org.vmckpt.cow.volume;

import org.jspecify.annotations.Nullable;

/**
 * An entry of the ledger: one request of a client. The object may be used again for another request
 * once {@link Ledger#end} has returned true; one that was abandoned may still be about to bounce.
 */
public abstract class PendingRequest {
    /** See the package's documentation for what leads from one to the other. */
    public enum State {
        NEW,
        WAITING,
        RUNNING,
        ABANDONED,
        REFUSED,
        ENDED
    }

    // All below is guarded by the lock of the ledger that the request is in, but for what only the
    // thread reads that runs the request: its layer.
    State state = State.NEW;
    boolean changes;
    long offset;
    long length;
    long number;
    @Nullable Layer layer;
    @Nullable PendingRequest previous;
    @Nullable PendingRequest next;

    /** A request that changes nothing: a read, a flush, a question. */
    protected final void describeQuestion() {
        this.changes = false;
        this.offset = 0;
        this.length = 0;
    }

    /** A request that changes a range: a write, zeroes, a discard. */
    protected final void describeChange(long at, long bytes) {
        this.changes = true;
        this.offset = at;
        this.length = bytes;
    }

    /** The layer that it works on, once it runs. */
    public final Layer layer() {
        Layer current = layer;
        if (current == null) {
            throw new IllegalStateException("the request does not run");
        }
        return current;
    }

    /** It had to wait and runs now: execute it, on another thread than this. */
    protected abstract void resume();

    /**
     * Answer it with EIO; never blocks. It is waiting no more, or it is still being executed by
     * whom {@link Ledger#end} will tell so.
     */
    protected abstract void bounce();

    /** For {@link #bounce}: whether nobody executes it. */
    protected final boolean wasRefused() {
        return state == State.REFUSED;
    }

    /** Whether the block groups of both have one in common. */
    final boolean touchesGroupsOf(PendingRequest other, long groupBytes) {
        return offset / groupBytes <= (other.offset + other.length - 1) / groupBytes
                && other.offset / groupBytes <= (offset + length - 1) / groupBytes;
    }
}
