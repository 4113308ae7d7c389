package org.vmckpt.cow.checkpoint;

import java.util.concurrent.CancellationException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;

/**
 * Lets another thread, a signal handler for example, end a checkpoint early.
 *
 * <p>A flag that is asked at safe places, and not a thread interrupt: an interrupt closes whatever
 * channel the thread is using, the guest's monitor included.
 */
public final class Cancellation {
    private volatile boolean requested;

    /** Asks the checkpoint to end; it is taken back and the guest runs on. */
    public void cancel() {
        requested = true;
    }

    public boolean isRequested() {
        return requested;
    }

    void check() throws RefusedException {
        if (requested) {
            throw refusal();
        }
    }

    static RefusedException refusal() {
        return new RefusedException(
                "checkpoint: cancelled; it was taken back and the guest runs on");
    }

    /** A listener that also ends the work that reports to it, by a CancellationException. */
    public ProgressListener guarding(ProgressListener progress) {
        return (phase, done, total, unit) -> {
            if (requested) {
                throw new CancellationException();
            }
            progress.update(phase, done, total, unit);
        };
    }
}
