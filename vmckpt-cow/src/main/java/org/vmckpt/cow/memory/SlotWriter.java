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
    private static final long NAP_NANOS = 200_000;

    private final CaptureState capture;
    private final SlotPool pool;
    private final PageSink sink;
    private final Copier copier;
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

    @Override
    public void run() {
        ThreadPriority.trySetNicenessOfThisThread(NICENESS);
        try {
            while (!capture.givenUp()) {
                // Read before polling: what was submitted before finish() is then found.
                boolean last = noMore;
                Slot slot = copier.isCopying() && pool.hasMuchRoom() ? null : pool.pollFull();
                if (slot != null) {
                    write(slot);
                } else if (last) {
                    return;
                } else {
                    LockSupport.parkNanos(NAP_NANOS);
                }
            }
        } catch (Throwable failure) {
            capture.fail(failure);
        }
    }

    private void write(Slot slot) throws VmckptException {
        sink.write(slot.region(), slot.pages, slot.count(), slot.data());
        pool.release(slot);
    }
}
