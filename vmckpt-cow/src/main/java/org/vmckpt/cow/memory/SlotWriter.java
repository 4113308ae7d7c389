package org.vmckpt.cow.memory;

import java.util.concurrent.locks.LockSupport;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.ThreadPriority;

/**
 * Brings full slots to the sink until there will be no more. As long as pages are being copied and
 * there is room, it leaves the processors to the copy: the sooner that ends, the fewer writes of
 * the guest wait.
 */
final class SlotWriter implements Runnable {
    // Compression may take its time; the guest's vCPUs go first.
    private static final int NICENESS = 10;
    // Unless the copy, and after it the guest, would have to wait for room.
    private static final int HURRIED_NICENESS = -5;
    private static final long NAP_NANOS = 200_000;
    // Before the copy only a guest that goes on earlier can fill slots. To look for them more often
    // would take processor time from the pause.
    private static final long LONG_NAP_NANOS = 5_000_000;

    private final CaptureState capture;
    private final SlotPool pool;
    private final PageSink sink;
    private final Copier copier;
    private boolean hurrying;
    private volatile boolean hurried;
    private volatile boolean noMore;

    SlotWriter(CaptureState capture, SlotPool pool, PageSink sink, Copier copier) {
        this.capture = capture;
        this.pool = pool;
        this.sink = sink;
        this.copier = copier;
    }

    /** All slots have been submitted: end once none is left. */
    void finish() {
        noMore = true;
    }

    /** Whether the buffer ran full at some time. */
    boolean hurried() {
        return hurried;
    }

    @Override
    public void run() {
        ThreadPriority.trySetNicenessOfThisThread(NICENESS);
        try {
            while (!capture.givenUp()) {
                // Read before polling: what was submitted before finish() is then found.
                boolean last = noMore;
                hurryIf(copier.isCopying() && pool.isTight(hurrying));
                Slot slot = copier.isCopying() && pool.hasMuchRoom() ? null : pool.pollFull();
                if (slot != null) {
                    write(slot);
                } else if (last) {
                    return;
                } else {
                    LockSupport.parkNanos(copier.hasStarted() ? NAP_NANOS : LONG_NAP_NANOS);
                }
            }
        } catch (Throwable failure) {
            capture.fail(failure);
        }
    }

    private void hurryIf(boolean tight) {
        if (tight != hurrying) {
            hurrying = tight;
            hurried |= tight;
            ThreadPriority.trySetNicenessOfThisThread(tight ? HURRIED_NICENESS : NICENESS);
            sink.hurry(tight);
        }
    }

    private void write(Slot slot) throws VmckptException {
        sink.write(slot.region(), slot.pages, slot.count(), slot.data());
        pool.release(slot);
    }
}
