package org.vmckpt.cow.volume;

import java.io.InterruptedIOException;
import java.util.concurrent.atomic.AtomicLong;

/** Holds a copy back so that it leaves the disk to the guest. */
public final class Throttle {
    private static final long NANOS_PER_SECOND = 1_000_000_000;

    private final long bytesPerSecond;
    private final AtomicLong passed = new AtomicLong();
    private volatile boolean ended;
    private long dueNanos = System.nanoTime();

    /**
     * @param bytesPerSecond {@link Long#MAX_VALUE} for no limit
     */
    public Throttle(long bytesPerSecond) {
        if (bytesPerSecond <= 0) {
            throw new IllegalArgumentException("a rate of " + bytesPerSecond);
        }
        this.bytesPerSecond = bytesPerSecond;
    }

    /** Nothing holds back. */
    public static Throttle unlimited() {
        return new Throttle(Long.MAX_VALUE);
    }

    /** Whoever copies is to stop at the next piece. */
    void end() {
        ended = true;
    }

    boolean isEnded() {
        return ended;
    }

    /** How much was copied under it. */
    public long passedBytes() {
        return passed.get();
    }

    /** To be asked before each piece. */
    void requireGoing() throws InterruptedIOException {
        if (ended) {
            throw new InterruptedIOException("a copy was told to end");
        }
    }

    /** So much was copied: returns when more may be. */
    void passed(long bytes) throws InterruptedIOException {
        passed.addAndGet(bytes);
        requireGoing();
        if (bytesPerSecond == Long.MAX_VALUE) {
            return;
        }
        long now = System.nanoTime();
        // What was missed is not made up for.
        dueNanos =
                Math.max(now, dueNanos)
                        + (long) ((double) bytes / bytesPerSecond * NANOS_PER_SECOND);
        try {
            Thread.sleep(Math.max(0, (dueNanos - now) / 1_000_000));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("a copy was told to end");
        }
    }
}
