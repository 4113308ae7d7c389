package org.vmckpt.cow.checkpoint;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.qmp.QmpPractice;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.definition.Origin;
import org.vmckpt.cow.disk.Committer;
import org.vmckpt.cow.disk.DiskFork;
import org.vmckpt.cow.disk.DiskInventory;
import org.vmckpt.cow.disk.GuestDisk;
import org.vmckpt.cow.disk.Leftovers;
import org.vmckpt.cow.guard.Guard;
import org.vmckpt.cow.linux.ThreadPriority;

/**
 * One checkpoint, from first look to last file. Each step of the preparation registers how it is
 * taken back.
 */
final class CheckpointRun implements AutoCloseable {
    private static final int BACKGROUND_NICENESS = 10;
    private static final int URGENT_NICENESS = -5;

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
    private final CheckpointHooks hooks;
    private final TakeBack takeBack = new TakeBack(id);
    private final List<String> warnings = new ArrayList<>();

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
        this.hooks = new CheckpointHooks(request, id, lineage.series(), probe);
    }

    /** Whatever becomes of it, hooks hear of it; of a failure when it has been taken back. */
    CheckpointReport take() throws VmckptException {
        try {
            return takeWithHooks();
        } catch (VmckptException | RuntimeException e) {
            close();
            hooks.failed(e);
            throw e;
        } finally {
            hooks.close();
        }
    }

    private CheckpointReport takeWithHooks() throws VmckptException {
        ThreadPriority.trySetNicenessOfThisThread(BACKGROUND_NICENESS);
        progress.update("prepare", 0, -1, "");
        QmpPractice.once();
        guest.requireNoJob();
        GuestStatus status = GuestStatus.query(qmp);
        GuestDefinition definition = guest.definition();
        hooks.ask(definition, cancellation);
        List<GuestDisk> disks = DiskInventory.discover(qmp, pid);
        warnings.addAll(Leftovers.clean(qmp, pid, disks).kept());
        EngineChoice choice = EngineChoice.choose(pid, qmp, status, request.engine());
        CaptureEngine engine = open(choice.chosen());

        Standing ready = standing != null ? standing : takeBack.keep("guard", new Standing(guest));
        // Until QEMU has begun its snapshot, which is when the guest goes on.
        QemuPermission permission =
                takeBack.keep("permission", QemuPermission.of(choice.chosen(), pid));
        guest.requireNoJob();
        MigrationSetup migration = MigrationSetup.apply(qmp, choice.chosen());
        takeBack.always("migration settings", migration::undo);
        Guard guard = ready.guard(migration.undoLines(), choice.chosen() == EngineName.BACKGROUND);
        if (lineage.series().isPresent()) {
            VolumeFolding.limitChains(disks);
        }
        Optional<String> domainXml = guest.domainXml(disks);
        DiskFork fork = guest.prepareFork(disks, id);
        // Registered before the engine: the guest is released before its disks are taken back.
        AtomicReference<@Nullable Pause> planned = new AtomicReference<>();
        takeBack.onFailure("disk overlays", () -> revert(fork, planned.get()));
        takeBack.always("disk snapshots", fork::close);
        VolumeFork volumes = VolumeFork.prepare(disks, id);
        takeBack.always("volumes", volumes::close);
        Reissue reissue = Reissue.prepare(request.diskIo(), volumes, disks, choice.chosen(), qmp);
        if (status == GuestStatus.RUNNING) {
            warnings.addAll(reissue.warnings());
        }
        // Thawed when the engine has let go of the memory that the guest needs for it.
        Freezing freezing =
                takeBack.keep(
                        "frozen file systems", Freezing.prepare(request.quiesce(), status, guest));
        MemoryParent parent = lineage.parent(store, definition, request.full());
        takeBack.keep("engine", engine).prepare(ready.socket(), guard, parent);
        Pause pause = new Pause(qmp, guard, fork, volumes, reissue, engine, hooks);
        planned.set(pause);
        takeBack.onFailure("pause", pause::takeBack);
        if (status == GuestStatus.RUNNING) {
            DiskLatency.requireBelow(request.drainTimeout(), qmp, reissue.devices());
        }
        guard.awaitReady();
        hooks.beforePause(engine.resumesGuest());
        Duration flushLimit =
                status == GuestStatus.RUNNING ? request.drainTimeout() : STANDING_LIMIT;
        fork.flush(flushLimit);
        // From here on the guest waits for us, first for faults, then for the end of its pause.
        ThreadPriority.trySetNicenessOfThisThread(URGENT_NICENESS);
        engine.protectAhead();
        progress.update("freeze", 0, -1, "");
        freezing.freeze(guard);
        progress.update("frozen", 0, -1, "");
        // Once more and last, so that the stop finds little to write back.
        fork.flush(flushLimit);
        cancellation.check();

        progress.update("pause", 0, -1, "");
        long pauseStart = System.nanoTime();
        PauseTimes times = pause.take(status, request.drainTimeout());
        permission.close();
        engine.start();
        progress.update("thaw", 0, -1, "");
        freezing.thaw();
        if (status == GuestStatus.STOPPED && GuestStatus.isLeftByMigration(qmp)) {
            StoppedDisks.reactivate(qmp, DiskInventory.discover(qmp, pid), ready.socket().folder());
            warnings.add("the guest stays stopped; send cont before its next checkpoint");
        }
        // What follows takes long and is not urgent; the guest's vCPUs go first.
        ThreadPriority.trySetNicenessOfThisThread(BACKGROUND_NICENESS);
        Captured captured = engine.awaitCaptured();
        CheckpointContent content =
                CheckpointContent.store(
                        engine, volumes.settle(fork.frozen(disks)), store, progress, cancellation);
        warnings.addAll(engine.warnings());
        Manifest manifest =
                publish(choice, definition, domainXml, content, times, captured, reissue, freezing);
        long durableMillis = (System.nanoTime() - pauseStart) / 1_000_000;
        takeBack.settle();
        close();
        hooks.durable(manifest);
        warnings.addAll(VolumeFolding.start(disks));
        int folded = fold();
        return new CheckpointReport(
                manifest,
                choice,
                times,
                captured.windowMicros(),
                captured.faults(),
                captured.readBytes(),
                content.diskReadBytes(),
                content.storedBytes(),
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

    private Manifest publish(
            EngineChoice choice,
            GuestDefinition definition,
            Optional<String> domainXml,
            CheckpointContent content,
            PauseTimes pause,
            Captured captured,
            Reissue reissue,
            Freezing freezing)
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
                                content.devices(),
                                content.memory(),
                                content.disks(),
                                statistics(content, pause, captured, reissue, freezing))
                        .after(parent(definition))
                        .ofDomain(domainXml);
        return store.publish(lineage.series().map(manifest::inSeries).orElse(manifest));
    }

    private Optional<CheckpointId> parent(GuestDefinition definition) throws VmckptException {
        return lineage.since().isPresent() ? lineage.since() : Origin.of(pid, definition, store);
    }

    private static Map<String, Long> statistics(
            CheckpointContent content,
            PauseTimes pause,
            Captured captured,
            Reissue reissue,
            Freezing freezing) {

        Map<String, Long> all = new TreeMap<>(captured.statistics());
        all.putAll(freezing.statistics());
        all.put("pauseMicros", pause.totalMicros());
        all.put("pauseStopMicros", pause.stopMicros());
        all.put("pauseForkMicros", pause.forkMicros());
        all.put("pauseDevicesMicros", pause.devicesMicros());
        all.put("pauseArmMicros", pause.armMicros());
        all.put("pauseContMicros", pause.contMicros());
        all.put("copyWindowMicros", captured.windowMicros());
        all.put("memoryReadBytes", captured.readBytes());
        all.put("diskReadBytes", content.diskReadBytes());
        all.put("storedBytes", content.storedBytes());
        if (reissue.isWanted()) {
            all.put("reissuedRequests", (long) reissue.answered());
        }
        return all;
    }

    /** Back to what was before the fork, or to what was before the overlays were made. */
    private void revert(DiskFork fork, @Nullable Pause pause) throws VmckptException {
        if (pause != null && pause.forked()) {
            fork.revert(progress);
        } else {
            fork.abandon();
        }
    }

    private int fold() {
        ThreadPriority.trySetNicenessOfThisThread(BACKGROUND_NICENESS);
        try {
            Committer.Report report =
                    new Committer(guest.chains(), store)
                            .foldAll(DiskInventory.discover(qmp, pid), progress);
            warnings.addAll(report.problems());
            return report.foldedFiles();
        } catch (VmckptException e) {
            warnings.add("older overlays stay: " + e.getMessage());
            return 0;
        } finally {
            ThreadPriority.trySetNicenessOfThisThread(0);
        }
    }

    /** Takes back whatever was not settled. */
    @Override
    public void close() {
        ThreadPriority.trySetNicenessOfThisThread(0);
        takeBack.close();
    }
}
