package org.vmckpt.testvm.bench;

import java.util.List;
import java.util.function.ToLongFunction;
import org.vmckpt.testvm.ConsoleLine;

/**
 * How long a guest's touches of pages took, in milliseconds of its own clock: of each percentile
 * the worst of several seconds, for the guest counts second by second.
 */
record Stalls(double p50Millis, double p99Millis, double p999Millis, double longestMillis) {
    static Stalls worstOf(List<ConsoleLine.Stall> seconds) {
        return new Stalls(
                worst(seconds, ConsoleLine.Stall::p50Nanos),
                worst(seconds, ConsoleLine.Stall::p99Nanos),
                worst(seconds, ConsoleLine.Stall::p999Nanos),
                worst(seconds, ConsoleLine.Stall::maxNanos));
    }

    private static double worst(
            List<ConsoleLine.Stall> seconds, ToLongFunction<ConsoleLine.Stall> quantity) {
        return seconds.stream().mapToLong(quantity).max().orElseThrow() / 1e6;
    }
}
