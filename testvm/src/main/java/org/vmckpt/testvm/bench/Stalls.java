package org.vmckpt.testvm.bench;

import java.util.List;
import java.util.function.ToLongFunction;
import org.vmckpt.testvm.ConsoleLine;

/**
 * How long a guest's touches of pages took, in milliseconds of its own clock: of each percentile
 * the worst of several reports of the guest.
 */
record Stalls(double p50Millis, double p99Millis, double p999Millis, double longestMillis) {
    static Stalls worstOf(List<ConsoleLine.Stall> reports) {
        return new Stalls(
                worst(reports, ConsoleLine.Stall::p50Nanos),
                worst(reports, ConsoleLine.Stall::p99Nanos),
                worst(reports, ConsoleLine.Stall::p999Nanos),
                worst(reports, ConsoleLine.Stall::maxNanos));
    }

    private static double worst(
            List<ConsoleLine.Stall> reports, ToLongFunction<ConsoleLine.Stall> quantity) {
        return reports.stream().mapToLong(quantity).max().orElseThrow() / 1e6;
    }
}
