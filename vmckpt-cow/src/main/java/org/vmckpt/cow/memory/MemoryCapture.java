package org.vmckpt.cow.memory;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.IdleThreads;
import org.vmckpt.cow.linux.ThreadAffinity;
import org.vmckpt.cow.linux.WakeLatency;

/**
 * One copy of the pages that a {@link MemoryTracker} wants, as they were when {@link #arm}
 * returned, taken while the guest runs on.
 *
 * <p>In order: {@link #armAhead} while the guest runs, {@link #arm} while it is paused, {@link
 * #start} after it goes on, {@link #awaitCopied} and {@link #awaitDrained}, {@link #close}. One
 * thread calls these methods; {@link #abort} may come from any.
 */
public final class MemoryCapture implements AutoCloseable {
    static final long LAST_MESSAGE_MILLIS = 5;

    private static final int MAX_WRITERS = 4;
    // A discard punches its hole before its message comes. Who captures a QEMU asks it something
    // after awaitCopied, to be sure; for others so late a message still counts.
    private static final long DISCARD_GRACE_NANOS = 20_000_000L;

    private final MemoryTracker tracker;
    private final boolean tracking;
    private final PageSink sink;
    private final Copier copier;
    private final Thread copierThread;
    private final List<SlotWriter> writers = new ArrayList<>();
    private final List<Thread> writerThreads = new ArrayList<>();
    private final long faultsBefore;
    private long armedAheadNanos;
    private long armStartNanos;
    private long armEndNanos;
    private long startNanos;
    private long pagesArmedInPause;
    private boolean drained;
    private @Nullable WakeLatency wakeLatency;
    private @Nullable IdleThreads compilers;

    MemoryCapture(MemoryTracker tracker, PageSink sink, boolean tracking) {
        this.tracker = tracker;
        this.tracking = tracking;
        this.sink = sink;
        this.faultsBefore = tracker.faults.trackedFaults();
        tracker.state.regions.forEach(CaptureRegion::countAnew);
        this.copier =
                new Copier(
                        tracker.state,
                        tracker.pool,
                        tracker.faults,
                        tracking,
                        new Prefaults(tracker.state, tracker.pid));
        this.copierThread = MemoryTracker.thread("vmckpt-copier", copier);
        // One processor less than there are: what is nicer than a vCPU still takes a tenth of its
        // processor, its caches, and the guest's place on it.
        int processors = Runtime.getRuntime().availableProcessors();
        int writerCount = Math.clamp(processors - 1, 1, MAX_WRITERS);
        for (int i = 0; i < writerCount; i++) {
            SlotWriter writer = new SlotWriter(tracker.state, tracker.pool, sink, copier);
            writers.add(writer);
            writerThreads.add(MemoryTracker.thread("vmckpt-writer-" + i, writer));
        }
        copierThread.start();
        writerThreads.forEach(Thread::start);
    }

    /**
     * Protects what is wanted, while the guest runs: what it writes afterwards is let go again, and
     * left to {@link #arm}. Takes about 60 ns a page.
     */
    public void armAhead() throws VmckptException {
        wakeLatency = WakeLatency.shortest();
        compilers = MemoryTracker.compilers();
        tracker.faults.noteHotBlocks();
        tracker.arming.findHotBlocks();
        long start = System.nanoTime();
        tracker.arming.armCold();
        armedAheadNanos = System.nanoTime() - start;
        tracker.lookForHoles();
        tracker.check();
    }

    /**
     * Once more, as late as can be: a guest that writes flat out has let much of it go again by
     * now. What this and {@link #arm} find is copied first, for it is most likely written next.
     */
    public void armAgain() throws VmckptException {
        tracker.faults.keepNeighbours();
        // Here no vCPU runs that is busy, as far as one is left to us.
        tracker.faults.avoid(ThreadAffinity.currentProcessor());
        long start = System.nanoTime();
        tracker.arming.armAll();
        tracker.outsideWrites().holdBack();
        tracker.faults.hold();
        tracker.arming.armAll();
        armedAheadNanos += System.nanoTime() - start;
        if (compilers != null) {
            compilers.begin();
        }
        tracker.check();
    }

    /** The command that pauses the guest was sent. */
    public void stopping() {
        tracker.faults.endHoldSoon();
    }

    /**
     * Protects the rest of what is wanted: the state at this instant is what will be captured. Call
     * it while the guest is paused.
     */
    public void arm() throws VmckptException {
        armStartNanos = System.nanoTime();
        tracker.outsideWrites().holdBack();
        tracker.faults.freeze();
        try {
            pagesArmedInPause = tracker.arming.armAll();
            tracker.pool.expect(tracker.state.bytesToRead());
        } finally {
            tracker.faults.startCapturing();
            tracker.outsideWrites().goOn();
        }
        armEndNanos = System.nanoTime();
        tracker.check();
    }

    /** Starts the background copy. Call it when the guest runs again. */
    public void start() {
        startNanos = System.nanoTime();
        copier.start();
        endIdleness();
    }

    private void endIdleness() {
        if (compilers != null) {
            compilers.end();
        }
    }

    /** Waits until every page has been read, so that no write by the guest waits for a copy. */
    public void awaitCopied() throws VmckptException, InterruptedException {
        copier.awaitEnd();
        endUrgency();
        tracker.check();
    }

    /** Waits until the sink has every page, and says what happened. */
    public CaptureReport awaitDrained() throws VmckptException, InterruptedException {
        awaitCopied();
        long left = copier.endNanos() + DISCARD_GRACE_NANOS - System.nanoTime();
        if (left > 0) {
            Thread.sleep(left / 1_000_000, (int) (left % 1_000_000));
        }
        if (!tracking) {
            // While somebody still reads their messages: after that a discard would wait for ever.
            tracker.release();
        }
        tracker.check();
        tracker.faults.endCapturing();
        tracker.state.regions.forEach(CaptureRegion::releaseView);
        for (SlotWriter writer : writers) {
            writer.finish();
        }
        for (HoleRuns.Run run : copier.holes().runs()) {
            sink.writeZeros(run.region(), run.firstUnit(), run.unitCount());
        }
        for (Thread thread : writerThreads) {
            thread.join();
        }
        tracker.check();
        drained = true;
        return report();
    }

    private void endUrgency() {
        endIdleness();
        tracker.faults.runAnywhere();
        if (wakeLatency != null) {
            wakeLatency.close();
            wakeLatency = null;
        }
    }

    private CaptureReport report() {
        Originals originals = tracker.faults.originals;
        ServiceTimes times = originals.times();
        long pages = copier.unitsRead() + originals.unitsSaved();
        return new CaptureReport(
                armedAheadNanos / 1000.0,
                tracker.faults.trackedFaults() - faultsBefore,
                (armEndNanos - armStartNanos) / 1000.0,
                pagesArmedInPause,
                (copier.endNanos() - startNanos) / 1000.0,
                times.count(),
                times.quantileMicros(0.5),
                times.quantileMicros(0.99),
                times.maxMicros(),
                pages,
                pages * Slot.PAGE_BYTES,
                copier.holes().units(),
                bufferUse());
    }

    private BufferUse bufferUse() {
        return new BufferUse(
                tracker.pool.sizeBytes(),
                tracker.pool.peakBytes(),
                writers.stream().anyMatch(SlotWriter::hurried),
                tracker.faults.originals.budgetWaitMicros());
    }

    /** Releases the guest at once and makes the waiting methods throw. From any thread. */
    public void abort() {
        tracker.state.giveUp();
        copier.start();
    }

    /**
     * Ends and joins the threads. A capture that was not drained takes the tracker with it: the
     * guest is released, for nobody knows which pages a checkpoint has. Twice is harmless.
     */
    @Override
    public void close() {
        if (!drained) {
            abort();
        }
        endUrgency();
        MemoryTracker.join(copierThread);
        writerThreads.forEach(MemoryTracker::join);
    }
}
