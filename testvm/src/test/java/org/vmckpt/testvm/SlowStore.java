package org.vmckpt.testvm;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;

/**
 * A store that takes its time over each piece of memory, and far more as long as a balloon has not
 * moved: so it moves in the copy window, however busy the host is.
 */
final class SlowStore implements ProgressListener {
    /** For each piece that comes before the balloon's start, many times what others take. */
    private static final int STILL_FACTOR = 10;

    private static final long NOWHERE = -1;
    private static final long POLL_NANOS = 20_000_000;

    private final Balloon balloon;
    private final long pieceNanos;
    private volatile long target;

    /** Where the balloon is to leave from, until it has. */
    private final AtomicLong stillAt = new AtomicLong(NOWHERE);

    SlowStore(Balloon balloon, Duration piece) {
        this.balloon = balloon;
        this.pieceNanos = piece.toNanos();
    }

    /** Asks the guest, in the pause, to make do with so much memory. */
    void leave(long bytes) {
        try {
            long before = balloon.actual();
            target = bytes;
            stillAt.set(before);
            balloon.leave(bytes);
            // Not in the store's thread: QEMU may wait for that one before it answers.
            Thread.ofVirtual().start(() -> watch(before));
        } catch (VmckptException e) {
            throw new IllegalStateException(e);
        }
    }

    private void watch(long before) {
        try {
            while (balloon.actual() == before) {
                LockSupport.parkNanos(POLL_NANOS);
            }
            stillAt.compareAndSet(before, NOWHERE);
        } catch (VmckptException e) {
            // The test has ended.
        }
    }

    @Override
    public void update(String phase, long done, long total, String unit) {
        if (phase.equals("store memory")) {
            boolean still = stillAt.get() != NOWHERE;
            LockSupport.parkNanos(still ? STILL_FACTOR * pieceNanos : pieceNanos);
        } else if (unit.equals("attempts") && done == total - 1) {
            awaitEnd();
        }
    }

    /** Before the last attempt: on a busy host the balloon can void all others. */
    private void awaitEnd() {
        try {
            balloon.await(target);
        } catch (VmckptException e) {
            throw new IllegalStateException(e);
        }
    }
}
