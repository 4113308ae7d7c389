package org.vmckpt.cow.nbd;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Whether a connection's thread executes reads and writes itself, or has others do it: the former
 * while they are fast. One slow request weighs as much as several fast ones, for it held up all
 * that came behind it. Updates that race may get lost; it is an estimate.
 */
final class Pace {
    private static final long SLOW_NANOS = 60_000;

    /** What moving the bytes themselves may take: 2 GiB a second. */
    private static final double NANOS_PER_BYTE = 0.5;

    private static final int SLOW_WEIGHT = 8;
    private static final int DETACH_AT = 32;
    private static final int MOST = 64;

    private final AtomicInteger score = new AtomicInteger();

    boolean isFast() {
        return score.getPlain() < DETACH_AT;
    }

    void took(long nanos, long bytes) {
        int now = score.getPlain();
        if (nanos > SLOW_NANOS + (long) (bytes * NANOS_PER_BYTE)) {
            score.setPlain(Math.min(MOST, now + SLOW_WEIGHT));
        } else if (now > 0) {
            score.setPlain(now - 1);
        }
    }
}
