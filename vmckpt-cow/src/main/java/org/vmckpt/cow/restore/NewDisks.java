package org.vmckpt.cow.restore;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.vmckpt.core.Manifest.DiskState;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.disk.DiskMaterializer;
import org.vmckpt.cow.serving.DetachedServer;
import org.vmckpt.cow.serving.VolumeServer;
import org.vmckpt.cow.volume.VolumeCreator;

/** Makes the disks of a restored guest, and has them served if that is wanted. */
final class NewDisks {
    private static final long CLUSTER_BYTES = 64 << 10;

    private final RestoreRequest request;
    private final RestorePlan plan;
    private final Workspace workspace;
    private final ProgressListener progress;

    NewDisks(
            RestoreRequest request,
            RestorePlan plan,
            Workspace workspace,
            ProgressListener progress) {
        this.request = request;
        this.plan = plan;
        this.workspace = workspace;
        this.progress = progress;
    }

    void make() throws VmckptException {
        workspace.createFolder(request.disksDirectory());
        for (int i = 0; i < plan.disks().size(); i++) {
            DiskState state = request.manifest().disks().get(i);
            RestoredDisk disk = plan.disks().get(i);
            workspace.add(disk.base());
            DiskMaterializer.materialize(
                    request.store(),
                    state.layers(),
                    state.virtualSizeBytes(),
                    disk.base(),
                    progress);
            workspace.add(disk.overlay());
            if (disk.socket().isPresent()) {
                makeVolume(disk);
            } else {
                makeOverlay(disk);
            }
        }
    }

    private static void makeVolume(RestoredDisk disk) throws VmckptException {
        var _ =
                VolumeCreator.create(
                        disk.overlay(),
                        Optional.of(disk.base()),
                        Optional.of("raw"),
                        OptionalLong.empty(),
                        CLUSTER_BYTES);
    }

    /** The base is named relative to the overlay: the folder may be moved as a whole. */
    private void makeOverlay(RestoredDisk disk) throws VmckptException {
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

    /** Starts the server of the volumes, if there are any, and waits until it serves. */
    Optional<DetachedServer> serve() throws VmckptException {
        Optional<Path> wanted = request.diskSocket();
        if (wanted.isEmpty()) {
            return Optional.empty();
        }
        Path socket = wanted.get();
        for (Path file :
                List.of(
                        socket,
                        VolumeServer.controlSocketOf(socket),
                        DetachedServer.pidFileOf(socket),
                        DetachedServer.logOf(socket))) {
            workspace.add(file);
        }
        DetachedServer server = DetachedServer.start(plan.volumes(), socket);
        // Before the files that it has open are removed.
        workspace.onUndo(server::kill);
        server.awaitServing(request.timeout());
        return Optional.of(server);
    }
}
