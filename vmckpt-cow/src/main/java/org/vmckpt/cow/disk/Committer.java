package org.vmckpt.cow.disk;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.FileIdentity;
import org.vmckpt.core.store.Store;

/**
 * Folds our older overlays into their parents while the guest writes to the newest, so that chains
 * stay short.
 *
 * <p>Only a run of overlays that this QEMU got from us, right below one that is active, is folded,
 * and only into the file that our first fork found active: below it may lie a template that other
 * guests share, which is never written. And only after the store has all of it.
 */
public final class Committer {
    private final DiskChains chains;
    private final Store store;

    public Committer(DiskChains chains, Store store) {
        this.chains = chains;
        this.store = store;
    }

    /**
     * What became of the overlays.
     *
     * @param foldedFiles how many overlays were folded and deleted
     * @param problems for people: which disks keep their overlays, and why
     */
    public record Report(int foldedFiles, List<String> problems) {
        public Report {
            problems = List.copyOf(problems);
        }
    }

    /**
     * Folds what can be folded; a disk that cannot is left as it is and reported.
     *
     * @param disks from {@link DiskInventory#discover}, after the fork
     */
    public Report foldAll(List<GuestDisk> disks, ProgressListener progress) {
        int folded = 0;
        List<String> problems = new ArrayList<>();
        for (GuestDisk disk : disks) {
            try {
                folded += fold(disk, progress);
            } catch (VmckptException e) {
                problems.add("disk " + disk.name() + ": " + e.getMessage());
            }
        }
        return new Report(folded, problems);
    }

    private int fold(GuestDisk disk, ProgressListener progress) throws VmckptException {
        List<DiskLayer> overlays = foldableOverlays(disk);
        if (overlays.isEmpty()) {
            return 0;
        }
        DiskLayer parent = disk.layers().get(disk.layers().indexOf(overlays.getFirst()) - 1);
        requireOverlaysOf(parent, overlays);
        List<SegmentName> layers = storedLayers(overlays.getLast());
        chains.fold(disk, parent, overlays.getLast(), progress);
        // A host that crashes now must find the data in the parent, and the parent's name in the
        // overlay above: only then may what was folded go.
        FileSync.file(parent.hostPath());
        FileSync.file(disk.active().hostPath());
        store.recordLayers(FileIdentity.settled(parent.hostPath()), layers);
        for (DiskLayer overlay : overlays.reversed()) {
            chains.delete(overlay);
        }
        return overlays.size();
    }

    /** The run of our overlays below the active file, which is ours too; oldest first. */
    private static List<DiskLayer> foldableOverlays(GuestDisk disk) {
        List<DiskLayer> layers = disk.layers();
        int first = layers.size();
        while (first > 1 && layers.get(first - 1).isOurOverlay()) {
            first--;
        }
        return layers.subList(first, Math.max(first, layers.size() - 1));
    }

    private static void requireOverlaysOf(DiskLayer parent, List<DiskLayer> overlays)
            throws RefusedException {
        for (DiskLayer overlay : overlays) {
            if (!OverlayName.isOverlayOf(overlay.path(), parent.path())) {
                throw new RefusedException(
                        "folding "
                                + overlay.path()
                                + ": expected its parent "
                                + OverlayName.rootOf(overlay.path())
                                + " in the same folder, found "
                                + parent.path()
                                + "; the chain was changed by somebody else, fold it by hand");
            }
        }
    }

    private List<SegmentName> storedLayers(DiskLayer overlay) throws VmckptException {
        Optional<List<SegmentName>> layers = store.layersOf(FileIdentity.of(overlay.hostPath()));
        return layers.orElseThrow(() ->
                new RefusedException(
                        "folding "
                                + overlay.path()
                                + ": expected its content in the store, found no record of"
                                + " it; the next checkpoint copies and folds it"));
    }
}
