package org.vmckpt.testvm.bench;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.vmckpt.testvm.ConsoleLine;
import org.vmckpt.testvm.GuestConsole;
import org.vmckpt.testvm.TestGuestException;

/**
 * The stalls that the guest itself saw between two moments. The guest reports every quarter of a
 * second of its own clock, so those that are only partly covered count as a whole.
 */
final class StallWatch {
    private static final Duration LIMIT = Duration.ofMinutes(1);
    private static final long POLL_MILLIS = 20;

    private final GuestConsole console;
    private final int firstLine;
    // The guest's clock at a moment of the host's.
    private final long guestMillis;
    private final Instant hostTime;

    private StallWatch(GuestConsole console) {
        this.console = console;
        this.firstLine = console.stalls().size();
        this.guestMillis = console.awaitAnyTick(LIMIT).monotonicMillis();
        this.hostTime = Instant.now();
    }

    /** To be called when the guest has just reported. */
    static StallWatch start(GuestConsole console) {
        return new StallWatch(console);
    }

    /** Waits for the report that covers now. */
    List<ConsoleLine.Stall> awaitReports() throws InterruptedException {
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
        return stalls.subList(firstLine, lastLine + 1);
    }

    /** The guest's clock at the start. */
    long guestMillis() {
        return guestMillis;
    }

    /** What the guest's clock said before it was stopped at a moment of the host's. */
    long guestMillisAt(Instant stopped) {
        return guestMillis + Duration.between(hostTime, stopped).toMillis();
    }
}
