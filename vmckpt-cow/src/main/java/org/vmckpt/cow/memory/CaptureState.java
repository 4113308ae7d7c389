package org.vmckpt.cow.memory;

import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.MemoryDiscardedException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.Userfaultfd;
import org.vmckpt.cow.linux.WakeEvent;

/**
 * What the threads of a capture share: the regions, the userfaultfd, and whether it still goes on.
 *
 * <p>Whoever meets a failure reports it here; the first one counts, and lifts all protection there
 * and then, so that the guest goes on before anything else is cleaned up.
 */
final class CaptureState {
    final Userfaultfd uffd;
    final List<CaptureRegion> regions;
    final WakeEvent stopFaults;
    private final String guest;
    private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    private volatile boolean stopped;

    CaptureState(
            Userfaultfd uffd, List<CaptureRegion> regions, WakeEvent stopFaults, String guest) {
        this.uffd = uffd;
        this.stopFaults = stopFaults;
        this.regions = regions;
        this.guest = guest;
    }

    String guest() {
        return guest;
    }

    /** Whether the capture failed or was aborted: no more waiting, no more work. */
    boolean givenUp() {
        return stopped;
    }

    void fail(Throwable cause) {
        if (failure.compareAndSet(null, cause)) {
            giveUp();
        }
    }

    /** What the capture in hand has to read, about; while the guest stands still. */
    long bytesToRead() {
        long bytes = 0;
        for (CaptureRegion region : regions) {
            bytes += region.bytesToRead();
        }
        return bytes;
    }

    /**
     * Lets the writers of pages go that the caller has. For the fault thread.
     *
     * @return false when that failed, and with it the capture
     */
    boolean lift(CaptureRegion region, int page, int count) {
        long size = region.bytesOf(count);
        int result = uffd.tryLift(region.addressOf(page), size);
        // A message from before the release can be served after it, when there is nothing to lift.
        boolean released = result == -Errno.ENOENT && !region.registered.get();
        if (result < 0 && result != -Errno.EAGAIN && !released) {
            failCall("lifting protection", result);
            return false;
        }
        region.states.set(page, count, PageStates.LOOSE);
        if (result == -Errno.EAGAIN) {
            // A discard waits until we read its message. The writer faults again, after that.
            uffd.tryWake(region.addressOf(page), size);
        }
        return true;
    }

    /** Lifts all protection and makes every thread come to its end. */
    void giveUp() {
        stopped = true;
        liftAll();
    }

    /**
     * Lifts all protection and ends the watch over memory: a discard no longer waits for a reader
     * of its message. The threads go on.
     */
    void liftAll() {
        unregister(false);
    }

    /** Ends the watch over memory after a capture that let every page go which it read. */
    void release() {
        unregister(true);
    }

    /**
     * @param complete whether what is LOOSE is not protected
     */
    private void unregister(boolean complete) {
        for (CaptureRegion region : regions) {
            // Only what we registered: older kernels would end another userfaultfd's watch too.
            if (!region.registered.getAndSet(false)) {
                continue;
            }
            boolean lifted = complete && region.states.all(PageStates.LOOSE, region.pageCount);
            int result =
                    lifted
                            ? uffd.tryForget(region.address, region.sizeBytes())
                            : uffd.tryUnregister(region.address, region.sizeBytes());
            if (result < 0 && result != -Errno.EINVAL && !isGone(region, result)) {
                giveUpDescriptor();
                return;
            }
        }
    }

    /** For a process that has ended this call alone says ENOMEM; what that means others tell. */
    private boolean isGone(CaptureRegion region, int result) {
        return result == -Errno.ESRCH
                || (result == -Errno.ENOMEM
                        && uffd.tryLift(region.address, region.pageBytes) == -Errno.ESRCH);
    }

    /**
     * The last resort: with the descriptor's end the kernel lifts whatever is left. A thread that
     * polls it would keep it alive, so that one is sent home too.
     */
    void giveUpDescriptor() {
        uffd.close();
        stopFaults.set();
    }

    /** A call on the userfaultfd, or a read of the memory file, came back with a negative errno. */
    void failCall(String call, long result) {
        if (!stopped) {
            fail(describe(call, (int) -result));
        }
    }

    private VmckptException describe(String call, int errno) {
        String what = call + " for " + guest + " failed with " + Errno.nameOf(errno) + ": ";
        return switch (errno) {
            case Errno.ESRCH ->
                    new TransportException(
                            what
                                    + "QEMU ended while its memory was copied; there is no"
                                    + " checkpoint");
            case Errno.EAGAIN -> discarded(what);
            case Errno.ENOENT ->
                    new RefusedException(
                            what + "QEMU changed its memory map meanwhile; take it again");
            default ->
                    new StorageException(
                            what
                                    + "guest memory could not be read or protected; the guest runs"
                                    + " on");
        };
    }

    /** The guest, or its QEMU, gave memory back before we had read it. */
    void failDiscarded() {
        if (!stopped) {
            fail(discarded("Capture for " + guest + ": "));
        }
    }

    /** The guest waited for room in the buffer for too long. */
    void failBudgetExhausted(long waitedNanos) {
        if (!stopped) {
            fail(
                    new RefusedException(
                            "Capture for %s: the buffer for originals stayed full for %d ms while the"
                                            .formatted(guest, waitedNanos / 1_000_000)
                                    + " guest waited, so it was let go: the store takes no data;"
                                    + " make it faster or raise --cow-budget"));
        }
    }

    private static MemoryDiscardedException discarded(String what) {
        return new MemoryDiscardedException(
                what
                        + "the guest gave memory back (balloon, free page reporting or unplug)"
                        + " while it was copied, so its content at the checkpoint is not known;"
                        + " take the checkpoint again, or pause the balloon meanwhile");
    }

    /** Throws the failure, if there is one. */
    void check() throws VmckptException {
        Throwable cause = failure.get();
        if (cause instanceof VmckptException known) {
            throw known;
        } else if (cause != null) {
            throw new IllegalStateException("A capture thread failed", cause);
        } else if (stopped) {
            throw new RefusedException("Capture for " + guest + " was aborted; the guest runs on");
        }
    }
}
