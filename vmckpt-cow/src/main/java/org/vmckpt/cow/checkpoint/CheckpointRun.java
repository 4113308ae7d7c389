package org.vmckpt.cow.checkpoint;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.DeviceState;
import org.vmckpt.core.Manifest.DiskState;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.SegmentKind;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.stream.DeviceStream;
import org.vmckpt.core.stream.DeviceStream.RamBlock;
import org.vmckpt.cow.definition.GuestDefinitionReader;
import org.vmckpt.cow.disk.Committer;
import org.vmckpt.cow.disk.CopiedDisk;
import org.vmckpt.cow.disk.DiskCopier;
import org.vmckpt.cow.disk.DiskInventory;
import org.vmckpt.cow.disk.GuestDisk;
import org.vmckpt.cow.disk.Leftovers;
import org.vmckpt.cow.disk.OverlayFork;
import org.vmckpt.cow.guard.Guard;
import org.vmckpt.cow.linux.ThreadPriority;

/**
 * One checkpoint, from first look to last file. Each step of the preparation registers how it is
 * taken back; {@link #close} takes back, newest first, whatever success did not settle.
 */
final class CheckpointRun implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(CheckpointRun.class);
    private static final int STREAM_PAGE_BYTES = 4096;
    private static final int BACKGROUND_NICENESS = 10;

    /** A guest that stands still anyway does not mind how long its disks take. */
    private static final Duration STANDING_LIMIT = Duration.ofHours(1);

    private final CheckpointId id = CheckpointId.create(Instant.now());
    private final GuestSession guest;
    private final QmpClient qmp;
    private final long pid;
    private final CheckpointRequest request;
    private final Lineage lineage;

    /** Of a series; else the run makes its own. */
    private final @Nullable Standing standing;

    private final Store store;
    private final ProgressListener progress;
    private final Cancellation cancellation;
    private final PauseProbe probe;
    private final Deque<Step> steps = new ArrayDeque<>();
    private final List<String> warnings = new ArrayList<>();

    /** How one step of the preparation is undone. */
    private interface Undo {
        void run() throws VmckptException;
    }

    private record Step(String name, Undo undo) {}

    CheckpointRun(
            GuestSession guest,
            CheckpointRequest request,
            Lineage lineage,
            @Nullable Standing standing,
            ProgressListener progress,
            Cancellation cancellation,
            PauseProbe probe) {
        this.guest = guest;
        this.qmp = guest.qmp();
        this.pid = guest.pid();
        this.request = request;
        this.lineage = lineage;
        this.standing = standing;
        this.store = request.store();
        this.progress = progress;
        this.cancellation = cancellation;
        this.probe = probe;
    }

    CheckpointReport take() throws VmckptException {
        progress.update("prepare", 0, -1, "");
        GuestStatus status = GuestStatus.query(qmp);
        GuestDefinition definition = GuestDefinitionReader.read(pid, qmp);
        List<GuestDisk> disks = DiskInventory.discover(qmp, pid);
        warnings.addAll(Leftovers.clean(qmp, pid, disks).kept());
        EngineChoice choice = EngineChoice.choose(pid, qmp, status, request.engine());
        CaptureEngine engine = open(choice.chosen());

        Standing ready = standing != null ? standing : keep("guard", new Standing(guest));
        MigrationSetup migration = MigrationSetup.apply(qmp, choice.chosen());
        onFailure("migration settings", migration::undo);
        Guard guard = ready.guard(migration.undoLines(), choice.chosen() == EngineName.BACKGROUND);
        OverlayFork fork = OverlayFork.prepare(qmp, disks, id);
        // Registered before the engine: the guest is released before its disks are taken back.
        AtomicReference<@Nullable Pause> planned = new AtomicReference<>();
        onFailure("disk overlays", () -> takeBack(fork, planned.get()));
        MemoryParent parent = lineage.parent(store, definition, request.full());
        keep("engine", engine).prepare(ready.socket(), guard, parent);
        Pause pause = new Pause(qmp, guard, fork, engine, probe);
        planned.set(pause);
        onFailure("pause", pause::takeBack);
        if (status == GuestStatus.RUNNING) {
            DiskLatency.requireBelow(request.drainTimeout(), qmp);
        }
        guard.awaitReady();
        Duration flushLimit =
                status == GuestStatus.RUNNING ? request.drainTimeout() : STANDING_LIMIT;
        fork.flush(flushLimit);
        engine.protectAhead();
        // Once more and last, so that the stop finds little to write back.
        fork.flush(flushLimit);
        cancellation.check();

        progress.update("pause", 0, -1, "");
        long pauseStart = System.nanoTime();
        PauseTimes times = pause.take(status, request.drainTimeout());
        engine.start();
        if (status == GuestStatus.STOPPED && GuestStatus.isLeftByMigration(qmp)) {
            StoppedDisks.reactivate(qmp, DiskInventory.discover(qmp, pid), ready.socket().folder());
            warnings.add("the guest stays stopped; send cont before its next checkpoint");
        }
        // What follows takes long and is not urgent; the guest's vCPUs go first.
        ThreadPriority.trySetNicenessOfThisThread(BACKGROUND_NICENESS);
        Captured captured = engine.awaitCaptured();
        Stored stored = store(engine, disks);
        Manifest manifest = publish(choice, definition, stored, times, captured);
        long durableMillis = (System.nanoTime() - pauseStart) / 1_000_000;
        settle();
        int folded = fold();
        return new CheckpointReport(
                manifest,
                choice,
                times,
                captured.windowMicros(),
                captured.faults(),
                captured.readBytes(),
                stored.diskReadBytes(),
                stored.bytes(),
                durableMillis,
                folded,
                warnings);
    }

    private CaptureEngine open(EngineName name) throws VmckptException {
        return switch (name) {
            case UFFD -> UffdEngine.inspect(guest, request, progress, cancellation, lineage);
            case BACKGROUND -> new BackgroundEngine(guest, request, progress, cancellation);
            case PAUSE -> new PauseEngine(guest, request, progress, cancellation);
        };
    }

    private record Stored(
            DeviceState devices,
            List<MemoryBlock> memory,
            List<DiskState> disks,
            long diskReadBytes,
            long bytes) {}

    private Stored store(CaptureEngine engine, List<GuestDisk> disks) throws VmckptException {
        byte[] deviceStream = engine.deviceStream();
        List<MemoryBlock> memory = engine.finishMemory();
        warnings.addAll(engine.warnings());
        requireAllMemory(DeviceStream.parse(deviceStream), memory);
        DeviceState devices =
                new DeviceState(
                        store.putBytes(SegmentKind.DEVICE, deviceStream), deviceStream.length);
        long bytes = engine.storedBytes();
        long readBytes = 0;
        List<DiskState> states = new ArrayList<>();
        DiskCopier copier = new DiskCopier(store);
        for (GuestDisk disk : disks) {
            CopiedDisk copied = copy(copier, disk);
            readBytes += copied.readBytes();
            bytes += copied.storedBytes();
            states.add(
                    new DiskState(
                            disk.device(),
                            disk.active().nodeName(),
                            disk.origin().path().toString(),
                            disk.origin().format(),
                            disk.virtualSizeBytes(),
                            copied.layers()));
        }
        return new Stored(devices, memory, states, readBytes, bytes);
    }

    private CopiedDisk copy(DiskCopier copier, GuestDisk disk) throws VmckptException {
        try {
            return copier.copy(disk, cancellation.guarding(progress));
        } catch (CancellationException e) {
            throw Cancellation.refusal();
        }
    }

    /** Every RAM block is either one that we captured or whole in the stream: nothing is lost. */
    private static void requireAllMemory(DeviceStream stream, List<MemoryBlock> memory)
            throws VmckptException {
        for (RamBlock block : stream.ramBlocks()) {
            boolean captured =
                    memory.stream()
                            .anyMatch(saved ->
                                    saved.id().equals(block.name())
                                            && saved.sizeBytes() == block.sizeBytes());
            boolean streamed = block.pagesInStream() * STREAM_PAGE_BYTES >= block.sizeBytes();
            if (!captured && !streamed) {
                throw new UnsupportedException(
                        "checkpoint: RAM block "
                                + block.name()
                                + " of "
                                + block.sizeBytes()
                                + " bytes is shared memory but belongs to no memory backend that"
                                + " can be captured; the guest runs on");
            }
            if (captured && block.pagesInStream() > 0) {
                throw new CorruptException(
                        "checkpoint: QEMU wrote pages of "
                                + block.name()
                                + " into the device state although they are shared; take the"
                                + " checkpoint again");
            }
        }
    }

    private Manifest publish(
            EngineChoice choice,
            GuestDefinition definition,
            Stored stored,
            PauseTimes pause,
            Captured captured)
            throws VmckptException {
        cancellation.check();
        progress.update("publish", 0, -1, "");
        Manifest manifest =
                new Manifest(
                        id,
                        request.name(),
                        Instant.now(),
                        choice.chosen().text(),
                        definition,
                        stored.devices(),
                        stored.memory(),
                        stored.disks(),
                        statistics(stored, pause, captured));
        return store.publish(
                lineage.series().isPresent()
                        ? manifest.inSeries(lineage.series().get())
                        : manifest);
    }

    private static Map<String, Long> statistics(
            Stored stored, PauseTimes pause, Captured captured) {
        Map<String, Long> all = new TreeMap<>(captured.statistics());
        all.put("pauseMicros", pause.totalMicros());
        all.put("pauseStopMicros", pause.stopMicros());
        all.put("pauseForkMicros", pause.forkMicros());
        all.put("pauseDevicesMicros", pause.devicesMicros());
        all.put("pauseArmMicros", pause.armMicros());
        all.put("pauseContMicros", pause.contMicros());
        all.put("copyWindowMicros", captured.windowMicros());
        all.put("memoryReadBytes", captured.readBytes());
        all.put("diskReadBytes", stored.diskReadBytes());
        all.put("storedBytes", stored.bytes());
        return all;
    }

    /** Back to what was before the fork, or to what was before the overlays were made. */
    private void takeBack(OverlayFork fork, @Nullable Pause pause) throws VmckptException {
        if (pause != null && pause.forked()) {
            fork.revert(progress);
        } else {
            fork.abandon();
        }
    }

    /** The checkpoint is durable: from here on only what is always cleaned up is cleaned up. */
    private void settle() throws VmckptException {
        steps.removeIf(step -> step.name().equals("disk overlays") || step.name().equals("pause"));
        close();
    }

    private int fold() {
        ThreadPriority.trySetNicenessOfThisThread(BACKGROUND_NICENESS);
        try {
            Committer.Report report =
                    new Committer(qmp, store).foldAll(DiskInventory.discover(qmp, pid), progress);
            warnings.addAll(report.problems());
            return report.foldedFiles();
        } catch (VmckptException e) {
            warnings.add("older overlays stay: " + e.getMessage());
            return 0;
        } finally {
            ThreadPriority.trySetNicenessOfThisThread(0);
        }
    }

    private <T extends AutoCloseable> T keep(String name, T resource) {
        onFailure(name, () -> closeQuietly(resource));
        return resource;
    }

    private static void closeQuietly(AutoCloseable resource) throws VmckptException {
        try {
            resource.close();
        } catch (VmckptException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private void onFailure(String name, Undo undo) {
        steps.push(new Step(name, undo));
    }

    /** Takes every step back, newest first; one that fails does not keep the others from it. */
    @Override
    public void close() {
        ThreadPriority.trySetNicenessOfThisThread(0);
        while (!steps.isEmpty()) {
            Step step = steps.pop();
            try {
                step.undo().run();
            } catch (VmckptException | RuntimeException e) {
                LOG.warn("cleaning up {} of checkpoint {}: {}", step.name(), id, e.getMessage());
            }
        }
    }
}
