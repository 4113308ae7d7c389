package org.vmckpt.cow.restore;

import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.DiskState;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.FileIdentity;
import org.vmckpt.core.stream.DeviceStream;
import org.vmckpt.cow.memory.GuestMemory;
import org.vmckpt.cow.serving.DetachedServer;

/** One restore under way: its disks, its QEMU, and what to undo should it fail. */
final class Restoration {
    private static final String LOG_NAME = "qemu.log";

    private final RestoreRequest request;
    private final RestorePlan plan;
    private final Takeover takeover;
    private final ProgressListener progress;
    private final Workspace workspace;
    private final Path logPath;

    private Restoration(
            RestoreRequest request,
            RestorePlan plan,
            Takeover takeover,
            ProgressListener progress,
            Workspace workspace) {
        this.request = request;
        this.plan = plan;
        this.takeover = takeover;
        this.progress = progress;
        this.workspace = workspace;
        this.logPath = request.disksDirectory().resolve(LOG_NAME);
    }

    static RestoreReport run(
            RestoreRequest request, RestorePlan plan, Takeover takeover, ProgressListener progress)
            throws VmckptException {
        try (Workspace workspace = new Workspace()) {
            return new Restoration(request, plan, takeover, progress, workspace).run();
        }
    }

    private RestoreReport run() throws VmckptException {
        Stopwatch watch = new Stopwatch();
        byte[] devices = request.store().getBytes(request.manifest().devices().segment());
        DeviceStream.parse(devices);
        NewDisks disks = new NewDisks(request, plan, workspace, progress);
        disks.make();
        Optional<DetachedServer> server = disks.serve();
        long disksMillis = watch.lapMillis();

        Set<Path> outputs = new LinkedHashSet<>(plan.commandLine().outputs());
        outputs.add(request.qmpPath());
        takeover.makeWay(outputs);
        workspace.add(logPath);
        outputs.forEach(workspace::add);
        try (QemuProcess qemu =
                QemuProcess.start(
                        plan.binary().path(),
                        plan.commandLine().line().arguments(),
                        plan.workingDirectory(),
                        logPath,
                        request.manifest().id(),
                        takeover.environment())) {
            RestoreReport report = bringUp(qemu, server, devices, disksMillis, watch);
            recordBases();
            // In this order: what ends us in between may leave files without a QEMU, but never a
            // QEMU without its files.
            workspace.complete();
            qemu.release();
            return report;
        }
    }

    /** A checkpoint of the new guest need not copy again what came from this store. */
    private void recordBases() {
        for (int i = 0; i < plan.disks().size(); i++) {
            DiskState state = request.manifest().disks().get(i);
            try {
                request.store()
                        .recordLayers(
                                FileIdentity.settled(plan.disks().get(i).base()), state.layers());
            } catch (VmckptException e) {
                // A store that is full or read-only is no reason to give up a running guest: the
                // next checkpoint copies the disk.
            }
        }
    }

    private RestoreReport bringUp(
            QemuProcess qemu,
            Optional<DetachedServer> server,
            byte[] devices,
            long disksMillis,
            Stopwatch watch)
            throws VmckptException {
        Manifest manifest = request.manifest();
        try (QmpClient qmp = qemu.connect(request.qmpPath(), request.timeout())) {
            // Before the guest can run: if we are killed, it keeps its disks.
            if (server.isPresent()) {
                server.get().endWith(qemu.pid());
            }
            long startMillis = watch.lapMillis();
            long memoryBytes = fillMemory(qemu, qmp, devices);
            long memoryMillis = watch.lapMillis();
            if (DeviceStream.parse(devices).ignoresShared()) {
                new DeviceStateFeeder(qmp, request.timeout()).feed(devices);
            }
            boolean running = manifest.guest().running() && !request.paused();
            if (running) {
                qmp.execute("cont");
                takeover.newGuestRuns();
            }
            long devicesMillis = watch.lapMillis();
            return new RestoreReport(
                    qemu.pid(),
                    request.qmpPath(),
                    plan.disks(),
                    server.map(it -> new DiskServer(it.pid(), it.socket(), plan.volumes())),
                    logPath,
                    running,
                    new RestoreReport.Timings(
                            disksMillis,
                            startMillis,
                            memoryMillis,
                            memoryBytes,
                            devicesMillis,
                            watch.totalMillis()));
        } catch (TransportException e) {
            throw new TransportException(explain(qemu, e), e);
        } catch (ProtocolException e) {
            throw new ProtocolException(explain(qemu, e), e);
        }
    }

    /**
     * Memory that is shared is written to its file from outside. All other memory goes in with the
     * device state, as one stream: there is no other way to private memory.
     */
    private long fillMemory(QemuProcess qemu, QmpClient qmp, byte[] devices)
            throws VmckptException {
        DeviceStream stream = DeviceStream.parse(devices);
        if (stream.ignoresShared()) {
            return MemoryFiller.fill(
                    request.store(),
                    request.manifest().memory(),
                    qemu.pid(),
                    GuestMemory.inspect(qemu.pid(), qmp),
                    progress);
        }
        WholeStream whole =
                new WholeStream(
                        request.store(), request.manifest().memory(), stream, devices, progress);
        new DeviceStateFeeder(qmp, request.timeout()).feed(whole, false);
        return whole.writtenBytes();
    }

    /** QEMU tells the reason of a failed start or load on its standard error only. */
    private String explain(QemuProcess qemu, VmckptException failure) {
        String words = qemu.lastWords();
        String printed = words.isEmpty() ? "QEMU printed nothing" : "QEMU printed:\n" + words;
        return "restore of %s failed: %s; %s"
                .formatted(request.manifest().id(), failure.getMessage(), printed);
    }

    /** Time since the last lap, and since the start. */
    private static final class Stopwatch {
        private static final long NANOS_PER_MILLI = 1_000_000;

        private final long startNanos = System.nanoTime();
        private long lapNanos = startNanos;

        long lapMillis() {
            long now = System.nanoTime();
            long lap = (now - lapNanos) / NANOS_PER_MILLI;
            lapNanos = now;
            return lap;
        }

        long totalMillis() {
            return (System.nanoTime() - startNanos) / NANOS_PER_MILLI;
        }
    }
}
