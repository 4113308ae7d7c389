package org.vmckpt.cow.memory;

/**
 * A histogram of durations with fixed buckets, at most an eighth too coarse. Recording allocates
 * nothing; one thread records, others read when it has ended.
 */
final class ServiceTimes {
    private static final int SUB_BITS = 3;
    private static final int SUB_COUNT = 1 << SUB_BITS;

    private final long[] counts = new long[(Long.SIZE - SUB_BITS) * SUB_COUNT];
    private long total;
    private long maxNanos;

    void record(long nanos) {
        counts[bucketOf(Math.max(0, nanos))]++;
        total++;
        maxNanos = Math.max(maxNanos, nanos);
    }

    long count() {
        return total;
    }

    double maxMicros() {
        return maxNanos / 1000.0;
    }

    /** The upper end of the bucket below which this share (0 to 1) of the durations lies. */
    double quantileMicros(double share) {
        long rank = Math.max(1, (long) Math.ceil(total * share));
        long seen = 0;
        for (int bucket = 0; bucket < counts.length; bucket++) {
            seen += counts[bucket];
            if (seen >= rank) {
                return Math.min(upperEndOf(bucket), maxNanos) / 1000.0;
            }
        }
        return 0;
    }

    static int bucketOf(long nanos) {
        if (nanos < SUB_COUNT) {
            return (int) nanos;
        }
        int shift = Long.SIZE - 1 - Long.numberOfLeadingZeros(nanos) - SUB_BITS;
        return (shift + 1) * SUB_COUNT + (int) (nanos >>> shift) - SUB_COUNT;
    }

    static long upperEndOf(int bucket) {
        if (bucket < SUB_COUNT) {
            return bucket;
        }
        int shift = bucket / SUB_COUNT - 1;
        long lower = (long) (bucket % SUB_COUNT + SUB_COUNT) << shift;
        return lower + (1L << shift) - 1;
    }
}
