package org.vmckpt.testvm.bench;

import java.util.Collection;

/**
 * How a quantity was spread over the rounds. A percentile is a value that was measured (nearest
 * rank), so with fewer than 100 rounds p99 is the largest.
 */
record Distribution(double p50, double p99, double max) {
    static Distribution of(Collection<Double> samples) {
        if (samples.isEmpty()) {
            throw new IllegalArgumentException("no samples");
        }
        double[] sorted = samples.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        return new Distribution(
                percentile(sorted, 50), percentile(sorted, 99), sorted[sorted.length - 1]);
    }

    private static double percentile(double[] sorted, int percent) {
        int rank = Math.ceilDiv(sorted.length * percent, 100);
        return sorted[Math.max(rank, 1) - 1];
    }
}
