package org.vmckpt.cow.disk;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.libvirt.LibvirtDomain;
import org.vmckpt.core.libvirt.LibvirtDomain.NewLayer;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.qmp.StagedCommand;
import org.vmckpt.cow.block.PlainFile;
import org.vmckpt.cow.qcow2.NewImage;
import org.vmckpt.cow.qcow2.NewImage.BackingName;

/**
 * The fork of disks that belong to libvirt, which must know at every instant what file a disk
 * writes: else a domain that is shut off and started again would lose what its guest wrote.
 *
 * <p>libvirt puts a new overlay on each disk while the guest runs: that takes it a tenth of a
 * second, and is no pause. In the pause QEMU takes an internal snapshot of each overlay, which
 * holds no more than what was written since and so is quick; the file stays the active one. The
 * disk at that instant is the files below with the snapshot on top.
 *
 * <p>A snapshot that a killed process leaves behind goes with its overlay, which the next
 * checkpoint folds.
 */
public final class LibvirtFork implements DiskFork {
    private static final Duration LIMIT = Duration.ofSeconds(30);
    private static final long SECTOR_BYTES = 512;

    /** A disk and the file that it writes now. */
    private record Forked(GuestDisk disk, String target, Overlay overlay, DiskLayer active) {}

    private final QmpClient qmp;
    private final LibvirtDomain domain;
    private final String snapshot;
    private final List<Forked> forks = new ArrayList<>();
    private @Nullable StagedCommand transaction;
    private boolean snapshotTaken;

    private LibvirtFork(QmpClient qmp, LibvirtDomain domain, CheckpointId checkpoint) {
        this.qmp = qmp;
        this.domain = domain;
        this.snapshot = OverlayName.snapshotFor(checkpoint);
    }

    /**
     * Has libvirt put an overlay on each disk. The guest runs on, and its disks are flushed.
     *
     * @param disks from {@link DiskInventory#discover}, just now; volumes are passed over
     * @param qemuPid of the domain's QEMU
     * @throws RefusedException when libvirt sees other files than QEMU has
     */
    public static LibvirtFork prepare(
            QmpClient qmp,
            long qemuPid,
            LibvirtDomain domain,
            List<GuestDisk> disks,
            CheckpointId checkpoint)
            throws VmckptException {
        LibvirtFork fork = new LibvirtFork(qmp, domain, checkpoint);
        Map<String, Overlay> overlays = fork.makeOverlays(disks, checkpoint);
        if (overlays.isEmpty()) {
            return fork;
        }
        try {
            List<NewLayer> layers = new ArrayList<>();
            overlays.forEach((target, it) -> layers.add(new NewLayer(target, it.path())));
            domain.fork(layers);
        } catch (VmckptException e) {
            throw FailedLibvirtFork.settle(e, domain, qemuPid, overlays.values());
        }
        List<GuestDisk> now = DiskInventory.discover(qmp, qemuPid);
        for (Map.Entry<String, Overlay> entry : overlays.entrySet()) {
            Overlay overlay = entry.getValue();
            DiskLayer active =
                    now.stream()
                            .map(GuestDisk::active)
                            .filter(layer -> layer.path().equals(overlay.path()))
                            .findFirst()
                            .orElseThrow(() -> notActive(overlay));
            fork.forks.add(new Forked(overlay.disk(), entry.getKey(), overlay, active));
        }
        fork.transaction = fork.snapshots();
        return fork;
    }

    private StagedCommand snapshots() {
        ObjectNode arguments = Json.MAPPER.createObjectNode();
        ArrayNode actions = arguments.putArray("actions");
        for (Forked fork : forks) {
            ObjectNode action = actions.addObject().put("type", "blockdev-snapshot-internal-sync");
            action.putObject("data").put("device", fork.active().nodeName()).put("name", snapshot);
        }
        return qmp.command("transaction", arguments);
    }

    private static RefusedException notActive(Overlay overlay) {
        return new RefusedException(
                "checkpoint: libvirt has put "
                        + overlay.path()
                        + " on a disk, but QEMU writes another file; somebody else changes the"
                        + " domain's disks at this moment; look at virsh domblklist");
    }

    private Map<String, Overlay> makeOverlays(List<GuestDisk> disks, CheckpointId checkpoint)
            throws VmckptException {
        Map<String, Overlay> overlays = new LinkedHashMap<>();
        Map<String, Path> known = domain.diskFiles();
        try {
            for (GuestDisk disk : disks) {
                if (disk.volume().isEmpty()) {
                    String target = LibvirtChains.targetOf(disk, known);
                    Overlay overlay = Overlay.of(disk, checkpoint, overlays.size());
                    overlay.createFile();
                    overlays.put(target, overlay);
                    format(overlay);
                    FileSync.file(disk.active().hostPath());
                }
            }
            return overlays;
        } catch (VmckptException e) {
            deleteAfter(e, overlays);
            throw e;
        }
    }

    private static void format(Overlay overlay) throws VmckptException {
        DiskLayer parent = overlay.disk().active();
        long size = Math.ceilDiv(parent.virtualSizeBytes(), SECTOR_BYTES) * SECTOR_BYTES;
        BackingName backing = new BackingName(parent.path().toString(), parent.format());
        try (PlainFile file = PlainFile.open(overlay.hostPath())) {
            NewImage.of(size, Optional.of(backing)).write(file);
        } catch (IOException e) {
            throw new StorageException("formatting overlay " + overlay.hostPath() + ": " + e, e);
        }
    }

    private static void deleteAfter(VmckptException reason, Map<String, Overlay> overlays) {
        for (Overlay overlay : overlays.values()) {
            try {
                overlay.deleteFile();
            } catch (VmckptException e) {
                reason.addSuppressed(e);
            }
        }
    }

    @Override
    public void flush(Duration limit) throws VmckptException {
        for (Forked fork : forks) {
            FileSync.file(fork.active().hostPath());
        }
        for (Forked fork : forks) {
            DiskFlush.run(qmp, fork.disk().name(), fork.active().nodeName(), limit);
        }
    }

    @Override
    public boolean stage() throws VmckptException {
        if (transaction == null) {
            return false;
        }
        transaction.stage();
        return true;
    }

    @Override
    public void begin() throws VmckptException {
        if (transaction != null) {
            snapshotTaken = true;
            transaction.send();
        }
    }

    @Override
    public void awaitEnd() throws VmckptException {
        if (transaction != null) {
            try {
                transaction.await(LIMIT);
            } catch (ProtocolException e) {
                snapshotTaken = false;
                throw e;
            }
        }
    }

    @Override
    public void abandon() throws VmckptException {
        revert(ProgressListener.none());
    }

    @Override
    public void revert(ProgressListener progress) throws VmckptException {
        List<String> failures = new ArrayList<>();
        for (Forked fork : forks) {
            try {
                new LibvirtChains(domain)
                        .foldActive(
                                fork.disk(), fork.overlay().path(), fork.disk().active(), progress);
                fork.overlay().deleteFile();
            } catch (VmckptException e) {
                failures.add(fork.disk().name() + " (" + e.getMessage() + ")");
            }
        }
        forks.clear();
        if (!failures.isEmpty()) {
            throw new RefusedException(
                    "taking back the disk overlays of a checkpoint: could not take back "
                            + String.join(", ", failures)
                            + "; the guest runs on with them, the next checkpoint folds them");
        }
    }

    @Override
    public List<GuestDisk> frozen(List<GuestDisk> disks) {
        List<GuestDisk> frozen = new ArrayList<>();
        for (GuestDisk disk : disks) {
            Optional<Forked> fork =
                    forks.stream().filter(it -> it.disk().name().equals(disk.name())).findFirst();
            frozen.add(fork.map(it -> withSnapshot(disk, it)).orElse(disk));
        }
        return frozen;
    }

    private GuestDisk withSnapshot(GuestDisk disk, Forked fork) {
        List<DiskLayer> layers = new ArrayList<>(disk.layers());
        layers.add(fork.active().atSnapshot(snapshot));
        return disk.withLayers(layers);
    }

    /** Takes the snapshots away: else the overlays would keep what the guest writes over. */
    @Override
    public void close() throws VmckptException {
        if (!snapshotTaken) {
            return;
        }
        snapshotTaken = false;
        for (Forked fork : forks) {
            qmp.execute(
                    "blockdev-snapshot-delete-internal-sync",
                    Json.MAPPER
                            .createObjectNode()
                            .put("device", fork.active().nodeName())
                            .put("name", snapshot));
        }
    }
}
