package org.vmckpt.cow.disk;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.qmp.StagedCommand;

/** The fork of disks that QEMU has from nobody but us: each gets an overlay. */
public final class OverlayFork implements DiskFork {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private final QmpClient qmp;
    private final CheckpointId checkpoint;
    private final List<Overlay> overlays = new ArrayList<>();
    private @Nullable StagedCommand transaction;

    private OverlayFork(QmpClient qmp, CheckpointId checkpoint) {
        this.qmp = qmp;
        this.checkpoint = checkpoint;
    }

    /**
     * Makes an overlay for each disk and flushes what the host caches of the active files, so that
     * little is left to flush in the pause. The guest does not notice.
     *
     * @param disks from {@link DiskInventory#discover}, just now; volumes are passed over, their
     *     servers fork them
     */
    public static OverlayFork prepare(QmpClient qmp, List<GuestDisk> disks, CheckpointId checkpoint)
            throws VmckptException {
        OverlayFork fork = new OverlayFork(qmp, checkpoint);
        ObjectNode arguments = Json.MAPPER.createObjectNode();
        ArrayNode actions = arguments.putArray("actions");
        try {
            for (GuestDisk disk : disks) {
                if (disk.volume().isPresent()) {
                    continue;
                }
                Overlay overlay = Overlay.of(disk, checkpoint, fork.overlays.size());
                overlay.createFile();
                fork.overlays.add(overlay);
                overlay.addToQemu(qmp);
                actions.add(overlay.snapshotAction());
                // From this process: QEMU would do it with its main loop standing still.
                FileSync.file(disk.active().hostPath());
            }
            if (!actions.isEmpty()) {
                fork.transaction = qmp.command("transaction", arguments);
            }
            return fork;
        } catch (VmckptException e) {
            fork.abandonAfter(e);
            throw e;
        }
    }

    @Override
    public void flush(Duration limit) throws VmckptException {
        for (Overlay overlay : overlays) {
            FileSync.file(overlay.disk().active().hostPath());
        }
        for (Overlay overlay : overlays) {
            DiskFlush.run(qmp, overlay.disk().name(), overlay.disk().active().nodeName(), limit);
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

    /** Puts every overlay on top of its disk: all of them or, when this fails, none. */
    public void fork() throws VmckptException {
        begin();
        awaitEnd();
    }

    @Override
    public void begin() throws VmckptException {
        if (transaction != null) {
            transaction.send();
        }
    }

    @Override
    public void awaitEnd() throws VmckptException {
        if (transaction != null) {
            transaction.await(LIMIT);
        }
    }

    @Override
    public void abandon() throws VmckptException {
        for (Overlay overlay : overlays) {
            overlay.removeNodes(qmp);
            overlay.deleteFile();
        }
        overlays.clear();
    }

    @Override
    public void revert(ProgressListener progress) throws VmckptException {
        List<String> failures = new ArrayList<>();
        for (Overlay overlay : overlays) {
            try {
                revert(overlay, progress);
            } catch (VmckptException e) {
                failures.add(overlay.disk().name() + " (" + e.getMessage() + ")");
            }
        }
        overlays.clear();
        if (!failures.isEmpty()) {
            throw new RefusedException(
                    "taking back the disk overlays of checkpoint "
                            + checkpoint
                            + ": could not take back "
                            + String.join(", ", failures)
                            + "; the guest runs on with them, the next checkpoint folds them");
        }
    }

    private void revert(Overlay overlay, ProgressListener progress) throws VmckptException {
        ActiveFold.run(qmp, overlay.node(), overlay.disk().active(), progress);
        overlay.removeNodes(qmp);
        overlay.deleteFile();
    }

    /** Undoes a half-made preparation; {@code reason} is what the caller gets to see. */
    private void abandonAfter(VmckptException reason) {
        try {
            abandon();
        } catch (VmckptException e) {
            reason.addSuppressed(e);
        }
    }

    /** Overlays take what is written since; the files below them stay as they were. */
    @Override
    public List<GuestDisk> frozen(List<GuestDisk> disks) {
        return disks;
    }

    @Override
    public void close() {}
}
