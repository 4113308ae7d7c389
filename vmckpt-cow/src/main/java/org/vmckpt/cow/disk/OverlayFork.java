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
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.qmp.StagedCommand;

/**
 * The fork of all disks at one instant: prepared while the guest runs, done in one QEMU transaction
 * inside the pause, and taken back if the checkpoint fails. For one thread.
 *
 * <p>States: prepared, then either abandoned or forked, then possibly reverted.
 */
public final class OverlayFork {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private final QmpClient qmp;
    private final CheckpointId checkpoint;
    private final List<Overlay> overlays = new ArrayList<>();
    private final ObjectNode transaction = Json.MAPPER.createObjectNode();
    private @Nullable StagedCommand staged;

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
        ArrayNode actions = fork.transaction.putArray("actions");
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
            return fork;
        } catch (VmckptException e) {
            fork.abandonAfter(e);
            throw e;
        }
    }

    /**
     * Makes QEMU flush the disks, so that the fork in the pause finds little left to flush. To be
     * called right before the pause. QEMU's main loop stands still meanwhile; that is short, since
     * the files themselves are flushed from this process first.
     *
     * @param limit for one disk: the pause would flush it once more, and stand as long
     * @throws RefusedException if a disk took longer
     */
    public void flush(Duration limit) throws VmckptException {
        for (Overlay overlay : overlays) {
            FileSync.file(overlay.disk().active().hostPath());
        }
        for (Overlay overlay : overlays) {
            // By its node, which every disk has: a device may have no name, or one that is no
            // drive's.
            String node = overlay.disk().active().nodeName();
            long start = System.nanoTime();
            requireNoComplaint(
                    qmp.humanMonitor("qemu-io " + node + " flush"), overlay.disk().name());
            requireInTime(Duration.ofNanos(System.nanoTime() - start), limit, overlay.disk());
        }
    }

    private static void requireInTime(Duration took, Duration limit, GuestDisk disk)
            throws RefusedException {
        if (took.compareTo(limit) > 0) {
            throw new RefusedException(
                    "checkpoint: flushing disk "
                            + disk.name()
                            + " took "
                            + took.toMillis()
                            + " ms, longer than the drain limit of "
                            + limit.toMillis()
                            + " ms, and in the pause the guest would stand still that long; it was"
                            + " not paused; wait until the disk is faster, or raise"
                            + " --drain-timeout");
        }
    }

    /** Lets QEMU read ahead what {@link #begin} then makes it do. */
    public void stage() throws VmckptException {
        if (!overlays.isEmpty()) {
            staged = qmp.stage("transaction", transaction);
        }
    }

    /** Puts every overlay on top of its disk: all of them or, when this fails, none. */
    public void fork() throws VmckptException {
        begin();
        awaitEnd();
    }

    /** What {@link #fork} begins with: QEMU is at it when this returns. */
    public void begin() throws VmckptException {
        if (staged == null) {
            stage();
        }
        if (staged != null) {
            staged.send();
        }
    }

    public void awaitEnd() throws VmckptException {
        if (staged != null) {
            staged.await(LIMIT);
        }
    }

    /** Takes the overlays away again, instead of forking or after a fork that failed. */
    public void abandon() throws VmckptException {
        for (Overlay overlay : overlays) {
            overlay.removeNodes(qmp);
            overlay.deleteFile();
        }
        overlays.clear();
    }

    /**
     * Undoes a fork while the guest runs: what it wrote to the overlays goes into their parents,
     * which become active again; the overlays are deleted.
     *
     * @throws RefusedException if a disk could not be taken back. Its chain is sound, only longer
     *     by one overlay, which is folded after the next checkpoint.
     */
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

    private static void requireNoComplaint(String answer, String device) throws ProtocolException {
        if (!answer.isBlank()) {
            throw new ProtocolException(
                    "flushing disk " + device + ": expected silence, QEMU said: " + answer.strip());
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
}
