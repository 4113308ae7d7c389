package org.vmckpt.cow.checkpoint;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.guard.Guard;
import org.vmckpt.cow.memory.BufferUse;
import org.vmckpt.cow.memory.CaptureReport;
import org.vmckpt.cow.memory.GuestMemory;
import org.vmckpt.cow.memory.MemoryCapture;
import org.vmckpt.cow.memory.RamRegion;

/**
 * Shared memory is protected from outside through userfaultfd and copied while the guest runs; the
 * stream holds the devices alone.
 */
final class UffdEngine implements CaptureEngine {
    private final GuestSession guest;
    private final CheckpointRequest request;
    private final ProgressListener progress;
    private final Cancellation cancellation;
    private final List<RamRegion> memory;
    private final Lineage lineage;
    private final Deque<AutoCloseable> resources = new ArrayDeque<>();
    private @Nullable Prepared prepared;
    private @Nullable BufferUse buffer;

    private record Prepared(
            DeviceSaver devices,
            MemoryWriters writers,
            HugePageDiscards discards,
            MemoryCapture capture) {}

    private UffdEngine(
            GuestSession guest,
            CheckpointRequest request,
            ProgressListener progress,
            Cancellation cancellation,
            Lineage lineage,
            List<RamRegion> memory) {
        this.guest = guest;
        this.request = request;
        this.progress = progress;
        this.cancellation = cancellation;
        this.lineage = lineage;
        this.memory = memory;
    }

    /** Looks at memory that is not tracked yet, and refuses what cannot be captured. */
    static UffdEngine inspect(
            GuestSession guest,
            CheckpointRequest request,
            ProgressListener progress,
            Cancellation cancellation,
            Lineage lineage)
            throws VmckptException {
        List<RamRegion> memory =
                lineage.tracked().isPresent()
                        ? lineage.tracked().get().regions()
                        : TrackedMemory.inspect(guest.pid(), guest.qmp());
        return new UffdEngine(guest, request, progress, cancellation, lineage, memory);
    }

    @Override
    public void prepare(MigrationSocket socket, Guard guard, MemoryParent parent)
            throws VmckptException {
        MemoryBackend.requireOthersFit(guest.pid(), guest.qmp());
        DeviceSaver devices = own(DeviceSaver.choose(guest, socket.folder(), memory));
        MemoryWriters writers =
                own(MemoryWriters.open(request.store(), memory, parent, progress, cancellation));
        TrackedMemory tracked =
                lineage.tracked().isPresent()
                        ? lineage.tracked().get()
                        : own(TrackedMemory.attach(guest, request, memory));
        MemoryCapture capture =
                own(
                        lineage.tracked().isPresent()
                                ? tracked.tracker().captureAndTrack(writers)
                                : tracked.tracker().captureAndRelease(writers));
        prepared = new Prepared(devices, writers, tracked.discards(), capture);
    }

    private <T extends AutoCloseable> T own(T resource) {
        resources.push(resource);
        return resource;
    }

    private Prepared prepared() {
        if (prepared == null) {
            throw new IllegalStateException("used before prepare");
        }
        return prepared;
    }

    @Override
    public void protectAhead() throws VmckptException {
        prepared().capture().armAhead();
    }

    @Override
    public void protectAgain() throws VmckptException {
        prepared().capture().armAgain();
    }

    @Override
    public void stopping() {
        prepared().capture().stopping();
    }

    @Override
    public void protect() throws VmckptException {
        prepared().capture().arm();
        prepared().devices().readMemory();
    }

    @Override
    public void stageSave() throws VmckptException {
        prepared().devices().stage();
    }

    @Override
    public boolean savesBehindFork() {
        return true;
    }

    @Override
    public void save() throws VmckptException {
        prepared().devices().begin();
    }

    @Override
    public void awaitSaved() throws VmckptException {
        prepared().devices().awaitEnd();
    }

    @Override
    public boolean resumesGuest() {
        return false;
    }

    @Override
    public void start() {
        prepared().capture().start();
    }

    @Override
    public Captured awaitCaptured() throws VmckptException {
        MemoryCapture capture = prepared().capture();
        try {
            capture.awaitCopied();
            awaitDiscards();
            GuestMemory.refuseOtherWriters(guest.pid(), memory);
            CaptureReport report = capture.awaitDrained();
            buffer = report.buffer();
            prepared().discards().refuseIfHappened();
            return captured(report);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RefusedException("checkpoint: interrupted; the guest runs on", e);
        }
    }

    /**
     * QEMU may have emptied pages that we read and not have come to the call that tells us so. It
     * does both under one lock, which it also needs to answer: after its answer we were told.
     */
    private void awaitDiscards() throws VmckptException {
        guest.qmp().execute("query-status");
        prepared().discards().refuseIfHappened();
    }

    private static Captured captured(CaptureReport report) {
        return new Captured(
                (long) report.windowMicros(),
                report.faultCount(),
                report.bytesRead(),
                statistics(report));
    }

    private static Map<String, Long> statistics(CaptureReport report) {
        BufferUse buffer = report.buffer();
        return Map.ofEntries(
                Map.entry("armAheadMicros", (long) report.armAheadMicros()),
                Map.entry("faultsBeforePause", report.faultsBeforePause()),
                Map.entry("pagesArmedInPause", report.pagesArmedInPause()),
                Map.entry("pagesWanted", report.pagesCopied() + report.holePages()),
                Map.entry("cowFaults", report.faultCount()),
                Map.entry("cowFaultP50Micros", (long) report.faultMicrosP50()),
                Map.entry("cowFaultP99Micros", (long) report.faultMicrosP99()),
                Map.entry("cowFaultMaxMicros", (long) report.faultMicrosMax()),
                Map.entry("bufferBytes", buffer.budgetBytes()),
                Map.entry("bufferPeakBytes", buffer.peakBytes()),
                Map.entry("bufferHurried", buffer.hurried() ? 1L : 0L),
                Map.entry("bufferFaultWaitMicros", (long) buffer.faultWaitMicros()));
    }

    @Override
    public byte[] deviceStream() throws VmckptException {
        return prepared().devices().stream();
    }

    @Override
    public List<MemoryBlock> finishMemory() throws VmckptException {
        return prepared().writers().finish();
    }

    @Override
    public List<String> warnings() {
        List<String> all = new ArrayList<>(prepared().writers().warnings());
        if (buffer != null) {
            buffer.warning().ifPresent(all::add);
        }
        return all;
    }

    @Override
    public long storedBytes() {
        return prepared().writers().storedBytes();
    }

    /** QEMU does nothing else while it writes its devices, so there is nothing to call back. */
    @Override
    public void cancel() {}

    /** Newest first: the guest is released before anything else is cleaned up. */
    @Override
    public void close() {
        IllegalStateException first = null;
        while (!resources.isEmpty()) {
            try {
                resources.pop().close();
            } catch (Exception e) {
                first = first == null ? new IllegalStateException(e) : first;
            }
        }
        if (first != null) {
            throw first;
        }
    }
}
