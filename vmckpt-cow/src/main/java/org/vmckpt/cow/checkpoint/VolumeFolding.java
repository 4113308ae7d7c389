package org.vmckpt.cow.checkpoint;

import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.disk.GuestDisk;
import org.vmckpt.cow.disk.VolumeExport;
import org.vmckpt.cow.serving.ControlClient;

/**
 * Keeps the chains of volumes short: their servers fold what checkpoints have frozen, once the
 * store has it. Layers that somebody holds stay.
 */
final class VolumeFolding {
    /** So much that the guest's own requests hardly feel it. */
    private static final long BYTES_PER_SECOND = 128L << 20;

    /** Of a volume under continuous checkpoints; longer chains are waited for. */
    private static final int MOST_LAYERS = 16;

    private VolumeFolding() {}

    /**
     * Has all frozen layers folded, and does not wait for that.
     *
     * @return for people: which volumes keep their layers, and why
     */
    static List<String> start(List<GuestDisk> disks) {
        List<String> problems = new ArrayList<>();
        for (GuestDisk disk : disks) {
            if (disk.volume().isPresent()) {
                VolumeExport export = disk.volume().get();
                try (ControlClient server = ControlClient.connect(export.controlSocket())) {
                    server.commitInBackground(List.of(export.volume()), BYTES_PER_SECOND);
                } catch (VmckptException e) {
                    problems.add(
                            "volume "
                                    + export.volume()
                                    + ": frozen layers stay: "
                                    + e.getMessage());
                }
            }
        }
        return problems;
    }

    /**
     * Each checkpoint ends the folding that is under way. Where checkpoints come faster than layers
     * can be folded, this waits until there are few again.
     */
    static void limitChains(List<GuestDisk> disks) throws VmckptException {
        for (GuestDisk disk : disks) {
            if (disk.volume().isPresent() && disk.layers().size() > MOST_LAYERS) {
                VolumeExport export = disk.volume().get();
                try (ControlClient server = ControlClient.connect(export.controlSocket())) {
                    server.commit(List.of(export.volume()), Long.MAX_VALUE);
                }
            }
        }
    }
}
