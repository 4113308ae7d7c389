package org.vmckpt.cow.memory;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.Userfaultfd;
import org.vmckpt.cow.linux.WakeEvent;

/**
 * One copy of a guest's memory as it was when {@link #arm} returned, taken while the guest runs on.
 *
 * <p>In order: {@code prepare} while the guest runs, {@link #arm} while it is paused, {@link
 * #start} after it goes on, {@link #awaitCopied} and {@link #awaitDrained}, {@link #close}.
 * Whatever fails, the guest is released first: all protection is lifted before anything waits or is
 * cleaned up. One thread calls these methods; {@link #abort} may come from any.
 */
public final class MemoryCapture implements AutoCloseable {
    /** The smallest budget: a few slots for faults, a few for the copier, one per region open. */
    public static final long MIN_BUDGET_BYTES = 16L * Slot.BYTES;

    private static final int MAX_WRITERS = 4;
    // Each call locks QEMU's address space, and QEMU allocates memory while it saves its devices.
    private static final long ARM_SLICE_BYTES = 8L << 20;
    private static final long ARM_RETRY_LIMIT_NANOS = 100_000_000L;
    // A discard punches its hole before its message comes; so late a message still counts.
    private static final long DISCARD_GRACE_NANOS = 20_000_000L;
    private static final long LAST_MESSAGE_MILLIS = 5;
    private static final long JOIN_PATIENCE_MILLIS = 10_000;

    private final CaptureState state;
    private final SlotPool pool;
    private final PageSink sink;
    private final FaultServer faults;
    private final Copier copier;
    private final Thread faultThread;
    private final Thread copierThread;
    private final List<SlotWriter> writers = new ArrayList<>();
    private final List<Thread> writerThreads = new ArrayList<>();
    private long armStartNanos;
    private long armEndNanos;
    private boolean closed;

    private MemoryCapture(CaptureState state, SlotPool pool, PageSink sink) {
        this.state = state;
        this.pool = pool;
        this.sink = sink;
        this.faults = new FaultServer(state, pool);
        this.copier = new Copier(state, pool, faults);
        this.faultThread = thread("vmckpt-faults", faults);
        this.copierThread = thread("vmckpt-copier", copier);
        int writerCount = Math.min(MAX_WRITERS, Runtime.getRuntime().availableProcessors());
        for (int i = 0; i < writerCount; i++) {
            SlotWriter writer = new SlotWriter(state, pool, sink);
            writers.add(writer);
            writerThreads.add(thread("vmckpt-writer-" + i, writer));
        }
    }

    private static Thread thread(String name, Runnable body) {
        return Thread.ofPlatform().name(name).daemon().unstarted(body);
    }

    /**
     * Allocates the buffer and starts the threads; the guest notices nothing.
     *
     * <p>The first call in a JVM also practises on memory of our own for a fraction of a second, so
     * that the fault path is compiled before a guest depends on it.
     *
     * @param budgetBytes memory for originals on their way to the sink, at least {@link
     *     #MIN_BUDGET_BYTES}; all of it is taken now
     */
    public static MemoryCapture prepare(UffdAttachment attachment, long budgetBytes, PageSink sink)
            throws VmckptException {
        Practice.once();
        List<CaptureRegion> regions = new ArrayList<>();
        for (int i = 0; i < attachment.regions().size(); i++) {
            RamRegion region = attachment.regions().get(i);
            regions.add(
                    new CaptureRegion(
                            i,
                            region.hostAddress(),
                            region.sizeBytes(),
                            attachment.file(i),
                            region.fileOffset()));
        }
        return prepare(
                attachment.uffd(),
                regions,
                budgetBytes,
                sink,
                "QEMU (pid " + attachment.pid() + ")");
    }

    static MemoryCapture prepare(
            Userfaultfd uffd,
            List<CaptureRegion> regions,
            long budgetBytes,
            PageSink sink,
            String guest)
            throws VmckptException {
        if (budgetBytes < MIN_BUDGET_BYTES) {
            throw new RefusedException(
                    "Copy-on-write budget for "
                            + guest
                            + ": "
                            + budgetBytes
                            + " bytes given, at"
                            + " least "
                            + MIN_BUDGET_BYTES
                            + " needed: raise --cow-budget");
        }
        int slots = Math.toIntExact(budgetBytes / Slot.BYTES);
        MemoryCapture capture = allocate(uffd, regions, slots, sink, guest);
        try {
            capture.faultThread.start();
            capture.copierThread.start();
            capture.writerThreads.forEach(Thread::start);
            for (CaptureRegion region : regions) {
                uffd.register(region.address, region.sizeBytes());
                region.registered.set(true);
            }
            return capture;
        } catch (ErrnoException failure) {
            capture.close();
            throw AttachFailure.ofRegistration(guest, failure);
        }
    }

    private static MemoryCapture allocate(
            Userfaultfd uffd, List<CaptureRegion> regions, int slots, PageSink sink, String guest)
            throws VmckptException {
        try {
            WakeEvent stopFaults = WakeEvent.create();
            try {
                CaptureState state = new CaptureState(uffd, regions, stopFaults, guest);
                int reserved = Math.max(4, regions.size() + 1);
                SlotPool pool = new SlotPool(slots, reserved, state::givenUp);
                return new MemoryCapture(state, pool, sink);
            } catch (ErrnoException failure) {
                stopFaults.close();
                throw failure;
            }
        } catch (ErrnoException failure) {
            throw new RefusedException(
                    "Preparing a capture of "
                            + guest
                            + ": "
                            + failure.getMessage()
                            + ": lower --cow-budget, or raise the memory limit of this process",
                    failure);
        }
    }

    /**
     * Protects all memory: the state at this instant is what will be captured. Call it while the
     * guest is paused. Takes about 33 ns a page.
     */
    public void arm() throws VmckptException {
        armStartNanos = System.nanoTime();
        faults.discardsMatterNow();
        // The guest stands still, so a second core is free.
        AtomicInteger nextSlice = new AtomicInteger();
        Thread second =
                Thread.ofPlatform().name("vmckpt-arm-2").start(() -> protectSlices(nextSlice));
        protectSlices(nextSlice);
        joinArming(second);
        armEndNanos = System.nanoTime();
        state.check();
    }

    /** Takes one slice after another, of all regions, until none is left. */
    private void protectSlices(AtomicInteger nextSlice) {
        for (int slice = nextSlice.getAndIncrement(); ; slice = nextSlice.getAndIncrement()) {
            int left = slice;
            CaptureRegion found = null;
            for (CaptureRegion region : state.regions) {
                int slices = sliceCount(region);
                if (left < slices) {
                    found = region;
                    break;
                }
                left -= slices;
            }
            if (found == null || !protectSlice(found, left)) {
                return;
            }
        }
    }

    private static int sliceCount(CaptureRegion region) {
        return Math.toIntExact((region.sizeBytes() + ARM_SLICE_BYTES - 1) / ARM_SLICE_BYTES);
    }

    private boolean protectSlice(CaptureRegion region, int slice) {
        long offset = slice * ARM_SLICE_BYTES;
        int result =
                protect(
                        region.address + offset,
                        Math.min(ARM_SLICE_BYTES, region.sizeBytes() - offset));
        if (result < 0) {
            state.failCall("write-protecting memory", result);
        }
        return result >= 0;
    }

    private static void joinArming(Thread second) {
        boolean interrupted = false;
        while (second.isAlive()) {
            try {
                second.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** A discard that began before the pause may still hold protection up; it ends by itself. */
    private int protect(long address, long sizeBytes) {
        int result = state.uffd.tryProtect(address, sizeBytes);
        while (result == -Errno.EAGAIN
                && System.nanoTime() - armStartNanos < ARM_RETRY_LIMIT_NANOS) {
            LockSupport.parkNanos(50_000);
            result = state.uffd.tryProtect(address, sizeBytes);
        }
        return result;
    }

    /** Starts the background copy. Call it when the guest runs again. */
    public void start() {
        copier.start();
    }

    /** Waits until every page has been read and the guest is free of protection. */
    public void awaitCopied() throws VmckptException, InterruptedException {
        copier.awaitEnd();
        state.check();
    }

    /** Waits until the sink has every page, and says what happened. */
    public CaptureReport awaitDrained() throws VmckptException, InterruptedException {
        awaitCopied();
        long left = copier.endNanos() + DISCARD_GRACE_NANOS - System.nanoTime();
        if (left > 0) {
            Thread.sleep(left / 1_000_000, (int) (left % 1_000_000));
        }
        // While somebody still reads their messages: after that a discard would wait for ever.
        state.liftAll();
        Thread.sleep(LAST_MESSAGE_MILLIS);
        state.stopFaults.set();
        faultThread.join();
        state.check();
        faults.submitOpenSlots();
        writers.forEach(SlotWriter::finish);
        for (Copier.Holes holes : copier.holes()) {
            sink.writeZeros(holes.region(), holes.firstPage(), holes.pageCount());
        }
        for (Thread thread : writerThreads) {
            thread.join();
        }
        state.check();
        return report();
    }

    private CaptureReport report() {
        ServiceTimes times = faults.times();
        long pages = copier.pagesRead() + faults.pagesDone();
        return new CaptureReport(
                (armEndNanos - armStartNanos) / 1000.0,
                (copier.endNanos() - armEndNanos) / 1000.0,
                times.count(),
                times.quantileMicros(0.5),
                times.quantileMicros(0.99),
                times.maxMicros(),
                pages,
                pages * Slot.PAGE_BYTES,
                copier.holePages(),
                faults.waitedForBudget());
    }

    /** Releases the guest at once and makes the waiting methods throw. From any thread. */
    public void abort() {
        state.giveUp();
        copier.start();
    }

    /** Releases the guest, ends and joins all threads, frees the buffer. Twice is harmless. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        abort();
        state.stopFaults.set();
        join(faultThread);
        join(copierThread);
        writerThreads.forEach(MemoryCapture::join);
        state.stopFaults.close();
        pool.close();
    }

    /** A sink may be slow to notice; the guest runs already, so only we wait for it. */
    private static void join(Thread thread) {
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
