package org.vmckpt.cow.checkpoint;

import java.time.Duration;
import org.vmckpt.core.MemoryDiscardedException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;

/**
 * Takes a checkpoint once more when it was voided by the guest giving memory back. No other failure
 * is worth it: this one alone is an accident of the moment.
 *
 * <p>Each attempt is a whole checkpoint of its own and was taken back before the next one begins.
 */
final class Attempts {
    static final int MOST = 5;

    /** A balloon is filled within seconds, so waiting twice as long each time outlasts it. */
    private static final Duration FIRST_WAIT = Duration.ofMillis(200);

    private static final long NAP_MILLIS = 20;

    /** One checkpoint, which leaves nothing behind when it fails. */
    interface Attempt {
        CheckpointReport take() throws VmckptException;
    }

    private Attempts() {}

    /**
     * Returns the first attempt that was not voided; its report warns of those that were.
     *
     * @throws MemoryDiscardedException when the last one was voided too
     */
    static CheckpointReport take(
            Attempt attempt, ProgressListener progress, Cancellation cancellation)
            throws VmckptException {
        Duration wait = FIRST_WAIT;
        for (int voided = 0; voided < MOST - 1; voided++) {
            try {
                CheckpointReport report = attempt.take();
                return voided == 0 ? report : report.withWarning(warning(voided));
            } catch (MemoryDiscardedException e) {
                progress.update(
                        "guest gives memory back, try again", voided + 1L, MOST, "attempts");
                waitFor(wait, cancellation);
                wait = wait.multipliedBy(2);
            }
        }
        return attempt.take().withWarning(warning(MOST - 1));
    }

    private static String warning(int voided) {
        return "the guest gave memory back while it was copied, so "
                + voided
                + " of "
                + MOST
                + " attempts came to nothing; keep its balloon still during checkpoints";
    }

    private static void waitFor(Duration wait, Cancellation cancellation) throws RefusedException {
        long end = System.nanoTime() + wait.toNanos();
        try {
            while (System.nanoTime() < end) {
                cancellation.check();
                Thread.sleep(NAP_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RefusedException("checkpoint: interrupted; the guest runs on", e);
        }
    }
}
