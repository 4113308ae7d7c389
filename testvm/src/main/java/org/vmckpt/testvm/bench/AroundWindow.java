package org.vmckpt.testvm.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vmckpt.testvm.ConsoleLine;

/**
 * What a guest did in the quarters of a second that hold a pause and the copy window after it.
 *
 * @param seconds of the host's clock, with the pause
 * @param writes of pages
 */
record AroundWindow(double seconds, long writes, double p999Millis) {
    // Of the two clocks, and of the guest's report on its way.
    private static final long TOLERANCE_MILLIS = 10;

    /** Empty when nothing was stopped. */
    static Optional<AroundWindow> of(
            Measurement measured, StallWatch watch, List<ConsoleLine.Stall> reports) {
        if (measured.stopped().isEmpty() || reports.isEmpty()) {
            return Optional.empty();
        }
        long begin = watch.guestMillisAt(measured.stopped().get()) - TOLERANCE_MILLIS;
        long end = begin + 2 * TOLERANCE_MILLIS + (long) measured.copyWindow().orElse(0);
        List<ConsoleLine.Stall> around = new ArrayList<>();
        long since = watch.guestMillis();
        long millis = 0;
        for (ConsoleLine.Stall report : reports) {
            if (report.monotonicMillis() > begin && since < end) {
                around.add(report);
                millis += report.monotonicMillis() - since;
            }
            since = report.monotonicMillis();
        }
        if (around.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(
                new AroundWindow(
                        (millis + measured.pause().orElse(0)) / 1000,
                        around.stream().mapToLong(ConsoleLine.Stall::touches).sum(),
                        Stalls.worstOf(around).p999Millis()));
    }

    /** Below 0 is noise. */
    double writesLost(double undisturbedPerSecond) {
        return undisturbedPerSecond * seconds - writes;
    }
}
