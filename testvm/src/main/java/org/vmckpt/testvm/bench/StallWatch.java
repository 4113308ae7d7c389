package org.vmckpt.testvm.bench;

import java.time.Duration;
import java.util.List;
import org.vmckpt.testvm.ConsoleLine;
import org.vmckpt.testvm.GuestConsole;
import org.vmckpt.testvm.TestGuestException;

/**
 * The stalls that the guest itself saw between two moments. The guest reports once a second of its
 * own clock, so the seconds that are only partly covered count as a whole.
 */
final class StallWatch {
    private static final Duration LIMIT = Duration.ofMinutes(1);
    private static final long POLL_MILLIS = 20;

    private final GuestConsole console;
    private final int firstLine;

    private StallWatch(GuestConsole console) {
        this.console = console;
        this.firstLine = console.stalls().size();
    }

    static StallWatch start(GuestConsole console) {
        return new StallWatch(console);
    }

    /** Waits for the report of the second that is running now. */
    Stalls awaitReport() throws InterruptedException {
        int lastLine = console.stalls().size();
        long deadline = System.nanoTime() + LIMIT.toNanos();
        List<ConsoleLine.Stall> stalls = console.stalls();
        while (stalls.size() <= lastLine) {
            if (System.nanoTime() > deadline) {
                throw new TestGuestException("the guest reported no stalls for " + LIMIT);
            }
            Thread.sleep(POLL_MILLIS);
            stalls = console.stalls();
        }
        return Stalls.worstOf(stalls.subList(firstLine, lastLine + 1));
    }
}
