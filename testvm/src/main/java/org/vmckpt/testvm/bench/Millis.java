package org.vmckpt.testvm.bench;

import java.time.Duration;
import java.time.Instant;

/** Milliseconds with their fractions, as the rows hold them. */
final class Millis {
    private Millis() {}

    static double between(Instant start, Instant end) {
        return Duration.between(start, end).toNanos() / 1e6;
    }
}
