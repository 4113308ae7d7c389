package org.vmckpt.cow.restore;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.DiskState;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.FileIdentity;
import org.vmckpt.core.stream.DeviceStream;
import org.vmckpt.cow.disk.DiskMaterializer;
import org.vmckpt.cow.memory.GuestMemory;

/** One restore under way: its disks, its QEMU, and what to undo should it fail. */
final class Restoration {
    private static final String LOG_NAME = "qemu.log";

    private final RestoreRequest request;
    private final RestorePlan plan;
    private final ProgressListener progress;
    private final Workspace workspace;
    private final Path logPath;

    private Restoration(
            RestoreRequest request,
            RestorePlan plan,
            ProgressListener progress,
            Workspace workspace) {
        this.request = request;
        this.plan = plan;
        this.progress = progress;
        this.workspace = workspace;
        this.logPath = request.disksDirectory().resolve(LOG_NAME);
    }

    static RestoreReport run(RestoreRequest request, RestorePlan plan, ProgressListener progress)
            throws VmckptException {
        try (Workspace workspace = new Workspace()) {
            return new Restoration(request, plan, progress, workspace).run();
        }
    }

    private RestoreReport run() throws VmckptException {
        Stopwatch watch = new Stopwatch();
        byte[] devices = request.store().getBytes(request.manifest().devices().segment());
        DeviceStream.parse(devices);
        makeDisks();
        long disksMillis = watch.lapMillis();

        workspace.add(logPath);
        workspace.add(request.qmpPath());
        plan.commandLine().outputs().forEach(workspace::add);
        try (QemuProcess qemu =
                QemuProcess.start(
                        plan.binary().path(),
                        plan.commandLine().line().arguments(),
                        plan.workingDirectory(),
                        logPath,
                        request.manifest().id())) {
            RestoreReport report = bringUp(qemu, devices, disksMillis, watch);
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

    private void makeDisks() throws VmckptException {
        workspace.createFolder(request.disksDirectory());
        Manifest manifest = request.manifest();
        for (int i = 0; i < plan.disks().size(); i++) {
            DiskState state = manifest.disks().get(i);
            RestoredDisk disk = plan.disks().get(i);
            workspace.add(disk.base());
            DiskMaterializer.materialize(
                    request.store(),
                    state.layers(),
                    state.virtualSizeBytes(),
                    disk.base(),
                    progress);
            makeOverlay(disk);
        }
    }

    /** The base is named relative to the overlay: the folder may be moved as a whole. */
    private void makeOverlay(RestoredDisk disk) throws VmckptException {
        workspace.add(disk.overlay());
        try {
            Command.run(
                    List.of(
                            plan.binary().imageTool(),
                            "create",
                            "-q",
                            "-f",
                            "qcow2",
                            "-F",
                            "raw",
                            "-b",
                            String.valueOf(disk.base().getFileName()),
                            disk.overlay().toString()));
            Files.setPosixFilePermissions(
                    disk.overlay(), PosixFilePermissions.fromString("rw-------"));
        } catch (IOException e) {
            throw new StorageException(
                    "restore cannot make the overlay %s: %s"
                            .formatted(disk.overlay(), e.getMessage()),
                    e);
        }
    }

    private RestoreReport bringUp(
            QemuProcess qemu, byte[] devices, long disksMillis, Stopwatch watch)
            throws VmckptException {
        Manifest manifest = request.manifest();
        try (QmpClient qmp = qemu.connect(request.qmpPath(), request.timeout())) {
            long startMillis = watch.lapMillis();
            long memoryBytes = fillMemory(qemu, qmp, devices);
            long memoryMillis = watch.lapMillis();
            if (DeviceStream.parse(devices).ignoresShared()) {
                new DeviceStateFeeder(qmp, request.timeout()).feed(devices);
            }
            boolean running = manifest.guest().running() && !request.paused();
            if (running) {
                qmp.execute("cont");
            }
            long devicesMillis = watch.lapMillis();
            return new RestoreReport(
                    qemu.pid(),
                    request.qmpPath(),
                    plan.disks(),
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
