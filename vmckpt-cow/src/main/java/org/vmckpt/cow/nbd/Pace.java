package org.vmckpt.cow.nbd;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Whether a connection's thread executes reads and writes itself, or has others do it: the former
 * while they are fast. One slow request weighs as much as several fast ones, for it held up all
 * that came behind it. When requests are somewhat slow the thread still executes what comes alone:
 * there is nobody to hold up, and two other threads need not be woken.
 *
 * <p>Only what the thread executes itself tells how long requests take. Those that it has given
 * away share processors and the file's lock with each other, so that they would look slow for as
 * long as they are given away. Therefore there is a trial from time to time.
 *
 * <p>Updates that race may get lost; it is an estimate.
 */
final class Pace {
    private static final long SLOW_READ_NANOS = 60_000;

    /** The first write to a cluster of 64 KiB moves all of it, twice: that alone takes 40 us. */
    private static final long SLOW_WRITE_NANOS = 130_000;

    /** Nobody is to come behind one of these. */
    private static final long VERY_SLOW_NANOS = 500_000;

    /** What moving the bytes themselves may take: 2 GiB a second. */
    private static final double NANOS_PER_BYTE = 0.5;

    private static final int SLOW_WEIGHT = 16;
    private static final int VERY_SLOW_WEIGHT = 48;

    private static final int DETACH_AT = 64;
    private static final int DETACH_ALL_AT = 96;
    private static final int MOST = 128;

    private static final long TRIAL_EVERY_NANOS = 100_000_000;

    private final AtomicInteger score = new AtomicInteger();

    /** For the reader alone. */
    private long trialNanos = System.nanoTime();

    /**
     * @param alone nothing else is there to be done
     */
    boolean isFast(boolean alone) {
        return score.getPlain() < (alone ? DETACH_ALL_AT : DETACH_AT);
    }

    /** Whether it should be seen anew how long requests take, when none is under way. */
    boolean isTrialDue() {
        return score.getPlain() >= DETACH_AT && System.nanoTime() - trialNanos > TRIAL_EVERY_NANOS;
    }

    /**
     * Some requests are executed by the reader, whatever was before.
     *
     * @param possible else it is put off
     */
    void beginTrial(boolean possible) {
        trialNanos = System.nanoTime();
        if (possible) {
            score.setPlain(0);
        }
    }

    /** The reader had to be relieved of a request. */
    void wasStuck() {
        score.setPlain(MOST);
    }

    /** How long the reader took for a write. */
    void tookWrite(long nanos, long bytes) {
        took(nanos, bytes, SLOW_WRITE_NANOS);
    }

    /** How long the reader took for a read. */
    void tookRead(long nanos, long bytes) {
        took(nanos, bytes, SLOW_READ_NANOS);
    }

    private void took(long nanos, long bytes, long slowNanos) {
        int now = score.getPlain();
        long forBytes = (long) (bytes * NANOS_PER_BYTE);
        if (nanos > VERY_SLOW_NANOS + forBytes) {
            score.setPlain(Math.min(MOST, now + VERY_SLOW_WEIGHT));
        } else if (nanos > slowNanos + forBytes) {
            // It takes more than slow ones to detach those too that come alone.
            score.setPlain(Math.max(now, Math.min(DETACH_ALL_AT - 1, now + SLOW_WEIGHT)));
        } else if (now > 0) {
            score.setPlain(now - 1);
        }
    }
}
