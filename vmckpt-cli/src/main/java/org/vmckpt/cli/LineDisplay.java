package org.vmckpt.cli;

import java.io.PrintWriter;
import java.time.Duration;
import org.vmckpt.core.HumanDuration;

/** Progress as plain lines for logs: when a phase begins, and then once in a while. */
final class LineDisplay implements ProgressDisplay {
    static final Duration INTERVAL = Duration.ofSeconds(5);

    private final PrintWriter out;
    // This object's lock guards what follows.
    private String phase = "";
    private long startedNanos;
    private long printedNanos;

    LineDisplay(PrintWriter out) {
        this.out = out;
    }

    @Override
    public synchronized void update(String newPhase, long done, long total, String unit) {
        long now = System.nanoTime();
        if (!newPhase.equals(phase)) {
            phase = newPhase;
            startedNanos = now;
            printedNanos = now;
            out.println("vmckpt: " + phase + size(total, unit));
        } else if (now - printedNanos >= INTERVAL.toNanos()) {
            printedNanos = now;
            out.println(
                    "vmckpt: "
                            + phase
                            + ": "
                            + ProgressDisplay.amount(done, unit)
                            + rest(done, total, now));
        }
    }

    private static String size(long total, String unit) {
        return total < 0 ? "" : " (" + ProgressDisplay.amount(total, unit) + ")";
    }

    private String rest(long done, long total, long now) {
        if (total <= 0 || done <= 0 || done > total) {
            return "";
        }
        long restNanos = (long) ((now - startedNanos) / (double) done * (total - done));
        return ", "
                + done * 100 / total
                + " %, "
                + HumanDuration.format(Duration.ofNanos(restNanos))
                + " left";
    }

    @Override
    public void close() {}
}
