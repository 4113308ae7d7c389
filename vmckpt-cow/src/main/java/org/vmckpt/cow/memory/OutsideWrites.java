package org.vmckpt.cow.memory;

import java.util.Objects;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.RemotePages;

/**
 * Lets processes other than QEMU write guest memory while it is tracked (rule R4). What they write
 * causes no fault in QEMU, so the faults are forced before they write: originals that a checkpoint
 * wants are saved, and the next one knows what was written.
 *
 * <p>A write lies between two pauses: the next pause waits for those that have begun, and those
 * that want to begin wait for its end. Any thread may call, but not a virtual one: it waits for
 * faults inside the kernel.
 */
public final class OutsideWrites {
    private static final long PATIENCE_NANOS = 1_000_000_000L;
    private static final long LOOK_MILLIS = 10;

    private final CaptureState state;
    private final long pid;
    // Guarded by this: how many have begun, and whether others wait for the end of a pause.
    private int writing;
    private boolean heldBack;

    OutsideWrites(CaptureState state, long pid) {
        this.state = state;
        this.pid = pid;
    }

    /** A range that may be written until it is closed. */
    public final class Writing implements AutoCloseable {
        private final CaptureRegion region;
        private final int first;
        private final int last;
        private boolean ended;

        private Writing(CaptureRegion region, long offset, long sizeBytes) {
            this.region = region;
            this.first = region.pageAt(region.address + offset);
            this.last = region.pageAt(region.address + offset + sizeBytes - 1);
        }

        private void forceFaults() throws VmckptException {
            for (int page = first; page <= last; page++) {
                int result = RemotePages.tryFault(pid, region.addressOf(page), 1);
                if (result < 0) {
                    throw new TransportException(
                            "Forcing faults of %s ahead of a write from outside failed with %s: QEMU has ended, or tracing it is not allowed"
                                    .formatted(state.guest(), Errno.nameOf(-result)));
                }
            }
        }

        /**
         * All is written. Pages that were armed meanwhile for a checkpoint to come are let go, for
         * the write may have filled a hole that was looked for in between. Twice is harmless.
         */
        @Override
        public void close() throws VmckptException {
            if (ended) {
                return;
            }
            ended = true;
            try {
                forceFaults();
            } finally {
                leave();
            }
        }
    }

    /**
     * Returns when the range may be written.
     *
     * @param region the region's index in the list that is tracked
     * @param offset of the first byte in the region
     */
    public Writing begin(int region, long offset, long sizeBytes)
            throws VmckptException, InterruptedException {
        CaptureRegion memory = state.regions.get(region);
        Objects.checkFromIndexSize(offset, Math.max(1, sizeBytes), memory.sizeBytes());
        Writing writing = new Writing(memory, offset, Math.max(1, sizeBytes));
        enter();
        boolean forced = false;
        try {
            writing.forceFaults();
            forced = true;
            return writing;
        } finally {
            if (!forced) {
                leave();
            }
        }
    }

    private synchronized void enter() throws InterruptedException {
        while (heldBack && !state.givenUp()) {
            wait(LOOK_MILLIS);
        }
        writing++;
    }

    private synchronized void leave() {
        writing--;
        notifyAll();
    }

    /**
     * A pause is near: no write begins from now on, and none is under way when this returns.
     *
     * @throws RefusedException when one does not end
     */
    synchronized void holdBack() throws VmckptException {
        heldBack = true;
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        boolean interrupted = false;
        while (writing > 0 && !interrupted && System.nanoTime() - deadline < 0) {
            try {
                wait(LOOK_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                interrupted = true;
            }
        }
        if (writing > 0) {
            goOn();
            throw new RefusedException(
                    "Capture for %s: %d writes of guest memory from another process were begun and do not end; the guest runs on; end that process or detach its device"
                            .formatted(state.guest(), writing));
        }
    }

    /** The pause is over as far as memory is concerned, or there is none. */
    synchronized void goOn() {
        heldBack = false;
        notifyAll();
    }
}
