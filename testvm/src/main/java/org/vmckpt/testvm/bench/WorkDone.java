package org.vmckpt.testvm.bench;

import java.time.Duration;
import org.vmckpt.testvm.GuestConsole;
import org.vmckpt.testvm.TestGuestException;

/**
 * What a guest has written at a moment of this host's clock; the guest's own stands still in a
 * pause. Taken when the guest reports, so the two belong together.
 */
record WorkDone(long nanos, long pages) {
    private static final Duration LIMIT = Duration.ofMinutes(1);
    private static final long POLL_MILLIS = 5;

    /** Waits for the guest's next report. */
    static WorkDone next(GuestConsole console, CowLoad load) throws InterruptedException {
        int known = load.reports(console);
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (load.reports(console) <= known) {
            if (System.nanoTime() > deadline) {
                throw new TestGuestException("the guest reported nothing for " + LIMIT);
            }
            Thread.sleep(POLL_MILLIS);
        }
        return new WorkDone(System.nanoTime(), load.pagesWritten(console));
    }

    WorkDone since(WorkDone before) {
        return new WorkDone(nanos - before.nanos, pages - before.pages);
    }

    double pagesPerSecond() {
        return pages * 1e9 / nanos;
    }

    /** What was not written of what a guest writes that is left alone; noise makes it negative. */
    double pagesLost(double undisturbedPagesPerSecond) {
        return undisturbedPagesPerSecond * nanos / 1e9 - pages;
    }
}
