package org.vmckpt.cow.memory;

import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.IdleThreads;
import org.vmckpt.cow.linux.ThreadPriority;
import org.vmckpt.cow.linux.Userfaultfd;
import org.vmckpt.cow.linux.WakeEvent;

/**
 * Watches a guest's memory from one checkpoint to the next: which pages the next one wants, and
 * which of them are protected already. Before the first checkpoint every page is wanted, after one
 * that tracked on only what the guest wrote since.
 *
 * <p>It owns the thread that serves the guest's faults. Whatever fails, the guest is released
 * first: all protection is lifted before anything waits or is cleaned up. A tracker that failed
 * stays so; the next one begins with every page again.
 */
public final class MemoryTracker implements AutoCloseable {
    /** A few slots for faults, a few for the copier, one per region open. */
    private static final int MIN_SLOTS = 16;

    /** The smallest budget of a guest without huge pages. */
    public static final long MIN_BUDGET_BYTES = (long) MIN_SLOTS * Slot.BYTES;

    private static final String COLLECTOR_THREAD = "VM Thread";
    private static final int COLLECTOR_NICENESS = -15;
    private static final List<String> COMPILER_THREADS =
            List.of("C1 CompilerThre", "C2 CompilerThre");
    private static final int COMPILER_NICENESS = 10;
    private static final long JOIN_PATIENCE_MILLIS = 10_000;

    final CaptureState state;
    final SlotPool pool;
    final FaultServer faults;
    final Arming arming;
    final long pid;
    private final OutsideWrites outsideWrites;
    private final Thread faultThread;
    private boolean closed;

    private MemoryTracker(CaptureState state, SlotPool pool, long pid) {
        this.state = state;
        this.pid = pid;
        this.pool = pool;
        this.faults = new FaultServer(state, pool);
        this.arming = new Arming(state);
        this.outsideWrites = new OutsideWrites(state, pid);
        this.faultThread = thread("vmckpt-faults", faults);
    }

    /** Of the JVM, which compiles what a checkpoint runs for the first time. */
    static IdleThreads compilers() {
        return IdleThreads.named(COMPILER_THREADS, COMPILER_NICENESS);
    }

    static Thread thread(String name, Runnable body) {
        return Thread.ofPlatform().name(name).daemon().unstarted(body);
    }

    /**
     * Does the practice of the first {@link #start} ahead of it, for a fraction of a second; the
     * two may run at the same time, and practise once.
     */
    public static void practise() {
        Practice.once();
    }

    /** The smallest budget of a guest with such memory. */
    public static long minBudgetBytes(List<RamRegion> regions) {
        return regions.stream()
                .mapToLong(region -> (long) MIN_SLOTS * region.protectionBytes())
                .reduce(MIN_BUDGET_BYTES, Math::max);
    }

    /**
     * Allocates the buffer and begins to watch; the guest notices nothing.
     *
     * <p>The first call in a JVM also practises on memory of our own for a fraction of a second, so
     * that the fault path is compiled before a guest depends on it.
     *
     * @param budgetBytes memory for originals on their way to a sink, at least {@link
     *     #minBudgetBytes}; captures take of it what they need
     */
    public static MemoryTracker start(UffdAttachment attachment, long budgetBytes)
            throws VmckptException {
        Practice.once();
        // Now, while nothing is protected yet: a collection stops the fault thread, and so the
        // guest. The young generation then has room for all that a checkpoint allocates.
        System.gc();
        // Should there be one after all, at least it shall not wait for a processor. Not before:
        // a guest that needs its processors notices the whole one.
        ThreadPriority.trySetNicenessOfThreads(COLLECTOR_THREAD, COLLECTOR_NICENESS);
        // What the fault path needs is compiled; the rest took a processor from the guest's window.
        for (String name : COMPILER_THREADS) {
            ThreadPriority.trySetNicenessOfThreads(name, COMPILER_NICENESS);
        }
        List<CaptureRegion> regions = new ArrayList<>();
        for (int i = 0; i < attachment.regions().size(); i++) {
            RamRegion region = attachment.regions().get(i);
            regions.add(
                    new CaptureRegion(
                            i,
                            region.hostAddress(),
                            region.sizeBytes(),
                            region.protectionBytes(),
                            attachment.file(i),
                            region.fileOffset()));
        }
        String guest = "QEMU (pid " + attachment.pid() + ")";
        return start(attachment.uffd(), regions, budgetBytes, attachment.pid(), guest);
    }

    static MemoryTracker start(
            Userfaultfd uffd, List<CaptureRegion> regions, long budgetBytes, long pid, String guest)
            throws VmckptException {
        // A slot has room for any page, huge ones included.
        int pagesPerSlot =
                regions.stream()
                        .mapToInt(region -> region.unitsPerPage)
                        .reduce(Slot.PAGES, Math::max);
        long slots = budgetBytes / ((long) pagesPerSlot * Slot.PAGE_BYTES);
        if (slots < MIN_SLOTS) {
            throw new RefusedException(
                    "Copy-on-write budget for %s: %d bytes given, at least %d needed: raise --cow-budget"
                            .formatted(
                                    guest,
                                    budgetBytes,
                                    (long) MIN_SLOTS * pagesPerSlot * Slot.PAGE_BYTES));
        }
        MemoryTracker tracker =
                allocate(uffd, regions, Math.toIntExact(slots), pagesPerSlot, pid, guest);
        try {
            tracker.faultThread.start();
            for (CaptureRegion region : regions) {
                uffd.register(region.address, region.sizeBytes());
                region.registered.set(true);
                region.openView();
            }
            return tracker;
        } catch (ErrnoException failure) {
            tracker.close();
            throw AttachFailure.ofRegistration(guest, failure);
        }
    }

    private static MemoryTracker allocate(
            Userfaultfd uffd,
            List<CaptureRegion> regions,
            int slots,
            int pagesPerSlot,
            long pid,
            String guest)
            throws VmckptException {
        try {
            WakeEvent stopFaults = WakeEvent.create();
            try {
                CaptureState state = new CaptureState(uffd, regions, stopFaults, guest);
                int reserved = Math.min(slots / 2, Math.max(4, regions.size() + 1));
                return new MemoryTracker(
                        state, new SlotPool(slots, pagesPerSlot, reserved, state::givenUp), pid);
            } catch (ErrnoException failure) {
                stopFaults.close();
                throw failure;
            }
        } catch (ErrnoException failure) {
            throw noMemory(guest, failure);
        }
    }

    private static RefusedException noMemory(String guest, ErrnoException failure) {
        return new RefusedException(
                "Preparing a capture of "
                        + guest
                        + ": "
                        + failure.getMessage()
                        + ": lower --cow-budget, or raise the memory limit of this process",
                failure);
    }

    /** Has room ready for what the next capture wants as of now. */
    private void prepareBuffer() throws VmckptException {
        long bytes = 0;
        try {
            for (CaptureRegion region : state.regions) {
                bytes += region.bytesOf(region.prepareToRead());
            }
            pool.prepare(bytes);
        } catch (ErrnoException failure) {
            throw noMemory(state.guest(), failure);
        }
    }

    void lookForHoles() throws VmckptException {
        try {
            for (CaptureRegion region : state.regions) {
                region.lookForHoles();
            }
        } catch (ErrnoException failure) {
            throw new RefusedException(
                    "Looking for holes in the memory of "
                            + state.guest()
                            + ": "
                            + failure.getMessage(),
                    failure);
        }
    }

    /**
     * Prepares the last capture: what was copied is let go, and the tracker is over at its end.
     * Room for what is wanted now is made ready, which may take long.
     *
     * @param sink takes the pages
     */
    public MemoryCapture captureAndRelease(PageSink sink) throws VmckptException {
        prepareBuffer();
        return new MemoryCapture(this, sink, false);
    }

    /** Prepares a capture after which memory stays protected, so that the next one costs less. */
    public MemoryCapture captureAndTrack(PageSink sink) throws VmckptException {
        prepareBuffer();
        return new MemoryCapture(this, sink, true);
    }

    /** By which other processes than QEMU may write the memory that is tracked. */
    public OutsideWrites outsideWrites() {
        return outsideWrites;
    }

    /**
     * After a capture that let every page go which it read: lifts what is left of the protection,
     * and ends the fault thread once it has read what discards wait for.
     */
    void release() throws InterruptedException {
        state.release();
        Thread.sleep(MemoryCapture.LAST_MESSAGE_MILLIS);
        state.stopFaults.set();
        faultThread.join();
    }

    /** Throws if the guest had to be let go. */
    public void check() throws VmckptException {
        state.check();
    }

    /**
     * Releases the guest, ends the threads, frees the buffer; after its captures. Twice is fine.
     */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        state.giveUp();
        state.stopFaults.set();
        join(faultThread);
        state.stopFaults.close();
        state.regions.forEach(CaptureRegion::closeView);
        pool.close();
    }

    /** A sink may be slow to notice; the guest runs already, so only we wait for it. */
    static void join(Thread thread) {
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join(JOIN_PATIENCE_MILLIS);
                if (thread.isAlive()) {
                    thread.interrupt();
                }
            } catch (InterruptedException interrupt) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
