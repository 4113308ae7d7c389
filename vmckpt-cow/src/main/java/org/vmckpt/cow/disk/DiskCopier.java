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

/** Copies frozen disks into a store. Safe for several threads, one disk each. */
public final class DiskCopier {
    private final Store store;

    public DiskCopier(Store store) {
        this.store = store;
    }

    /**
     * Copies the files of a disk that the store does not have yet, oldest first, and records which
     * layers equal them. The caller holds the store ({@link Store#hold}).
     *
     * @param disk as it was before the fork: all its files are frozen now, or have an internal
     *     snapshot that is
     * @throws RefusedException if a file changed while it was copied
     */
    public CopiedDisk copy(GuestDisk disk, ProgressListener progress) throws VmckptException {
        List<DiskLayer> layers = disk.layers();
        Known known = newestVouched(layers);
        List<Optional<FileIdentity>> identities = new ArrayList<>();
        for (DiskLayer layer : layers.subList(known.count(), layers.size())) {
            identities.add(
                    layer.snapshot().isPresent()
                            ? Optional.empty()
                            : Optional.of(FileIdentity.settled(layer.hostPath())));
        }
        CopiedDisk copied = new CopiedDisk(known.layers(), 0, 0);
        try (FrozenChain chain = FrozenChain.open(layers)) {
            for (int i = 0; i < identities.size(); i++) {
                copied = add(copied, disk, chain, known.count() + i, identities.get(i), progress);
            }
        }
        Optional<FileIdentity> content = disk.active().content();
        if (content.isPresent()) {
            store.recordLayers(content.get(), copied.layers());
        }
        return copied;
    }

    /** What the oldest {@code count} files say together. */
    private record Known(int count, List<SegmentName> layers) {}

    /** Whatever became of the files up to there, the store has what they say. */
    private Known newestVouched(List<DiskLayer> layers) throws VmckptException {
        for (int count = layers.size(); count > 0; count--) {
            Optional<FileIdentity> content = layers.get(count - 1).content();
            if (content.isPresent()) {
                Optional<List<SegmentName>> known = store.layersOf(content.get());
                if (known.isPresent()) {
                    return new Known(count, known.get());
                }
            }
        }
        return new Known(0, List.of());
    }

    private CopiedDisk add(
            CopiedDisk below,
            GuestDisk disk,
            FrozenChain chain,
            int layer,
            Optional<FileIdentity> identity,
            ProgressListener progress)
            throws VmckptException {
        if (identity.isEmpty()) {
            return copyLayer(below, disk, chain, layer, progress);
        }
        Optional<List<SegmentName>> known = store.layersOf(identity.get());
        // A record made over other layers would mean that a parent was changed behind our back.
        if (known.isPresent()
                && startsWith(known.get(), below.layers())
                && known.get().size() <= mostLayers(disk.layers().get(layer), below)) {
            return new CopiedDisk(known.get(), below.readBytes(), below.storedBytes());
        }
        CopiedDisk copied = copyLayer(below, disk, chain, layer, progress);
        requireUnchanged(disk.layers().get(layer), identity.get());
        store.recordLayers(identity.get(), copied.layers());
        return copied;
    }

    private CopiedDisk copyLayer(
            CopiedDisk below,
            GuestDisk disk,
            FrozenChain chain,
            int layer,
            ProgressListener progress)
            throws VmckptException {
        try (LayerCopy copy = new LayerCopy(store, chain, layer)) {
            return append(below, copy.run("copy disk " + disk.name(), progress));
        }
    }

    /**
     * Our overlay is one layer on what is below. Any other file may stand for more: for what was
     * folded into it.
     */
    private static int mostLayers(DiskLayer layer, CopiedDisk below) {
        return layer.isOurOverlay() ? below.layers().size() + 1 : Integer.MAX_VALUE;
    }

    private static CopiedDisk append(CopiedDisk below, CopiedDisk layer) {
        List<SegmentName> layers = new ArrayList<>(below.layers());
        layers.addAll(layer.layers());
        return new CopiedDisk(
                layers,
                below.readBytes() + layer.readBytes(),
                below.storedBytes() + layer.storedBytes());
    }

    private static boolean startsWith(List<SegmentName> layers, List<SegmentName> start) {
        return layers.size() >= start.size() && layers.subList(0, start.size()).equals(start);
    }

    private static void requireUnchanged(DiskLayer layer, FileIdentity before)
            throws VmckptException {
        FileIdentity after = FileIdentity.of(layer.hostPath());
        if (!after.equals(before)) {
            throw new RefusedException(
                    "copying disk file "
                            + layer.hostPath()
                            + ": expected a frozen file, but it changed from "
                            + before
                            + " to "
                            + after
                            + "; find out who else writes to it, then try again");
        }
    }
}
