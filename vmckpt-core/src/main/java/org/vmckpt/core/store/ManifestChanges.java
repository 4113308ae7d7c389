package org.vmckpt.core.store;

import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/**
 * All that changes which checkpoints there are, or which segments hold them, while others read and
 * write the store. Each change has the manifests alone, and no segment disappears meanwhile.
 */
final class ManifestChanges {
    private final StoreDirectory directory;
    private final StoreLock segmentLock;
    private final StoreLock manifestLock;
    private final RecentFoldings foldings;
    private final ManifestCatalog catalog;
    private final LayerRecords layerRecords;
    private final TemporaryFiles temporaries;

    ManifestChanges(
            StoreDirectory directory,
            StoreLock segmentLock,
            ManifestCatalog catalog,
            LayerRecords layerRecords,
            TemporaryFiles temporaries) {
        this.directory = directory;
        this.segmentLock = segmentLock;
        this.manifestLock = StoreLock.ofManifests(directory);
        this.foldings = new RecentFoldings(directory);
        this.catalog = catalog;
        this.layerRecords = layerRecords;
        this.temporaries = temporaries;
    }

    /** Returns the manifest as it is stored: layers may have been compacted meanwhile. */
    Manifest publish(Manifest manifest, Predicate<SegmentName> isNew) throws VmckptException {
        try (StoreHold _ = segmentLock.share("publish to");
                StoreHold _ = manifestLock.excludeSoon("publish to")) {
            Manifest folded = manifest.withLayers(foldings::apply);
            Publication.checkSegments(directory, folded, isNew);
            byte[] bytes = ManifestCodec.encode(folded);
            if (catalog.exists(manifest.id())) {
                throw new ConflictException(
                        "publish checkpoint "
                                + manifest.id()
                                + ": store "
                                + directory.root()
                                + " has a checkpoint of this id already; take a new id");
            }
            Publication.publish(directory, manifest.id(), bytes, temporaries.next());
            return folded;
        }
    }

    /** One that came from elsewhere, as it is; the caller holds the segments. */
    void publishImported(CheckpointId id, byte[] bytes) throws VmckptException {
        try (StoreHold _ = manifestLock.excludeSoon("import into")) {
            Publication.publish(directory, id, bytes, temporaries.next());
        }
    }

    /** Has all manifests and hints name the merged segment; returns how many manifests changed. */
    int fold(Folding folding) throws VmckptException {
        try (StoreHold _ = segmentLock.share("compact");
                StoreHold _ = manifestLock.excludeSoon("compact")) {
            foldings.add(folding);
            int changed = 0;
            for (CheckpointId id : catalog.ids()) {
                Optional<byte[]> replaced = catalog.withLayers(id, folding::apply);
                if (replaced.isPresent()) {
                    Publication.publish(directory, id, replaced.get(), temporaries.next());
                    changed++;
                }
            }
            layerRecords.replaceLayers(folding::apply, temporaries.folder()::newFile);
            return changed;
        }
    }

    /** Deletes the manifest only; NotFoundException when it is not there. */
    RemoveReport remove(CheckpointId id) throws VmckptException {
        try (StoreHold _ = segmentLock.share("remove a checkpoint from");
                StoreHold _ = manifestLock.excludeSoon("remove a checkpoint from")) {
            return new Removal(directory, catalog).unlist(id);
        }
    }

    /** Deletes manifests only; one that is not there is no error. */
    void unlist(Collection<CheckpointId> ids) throws VmckptException {
        try (StoreHold _ = segmentLock.share("remove checkpoints from");
                StoreHold _ = manifestLock.excludeSoon("remove checkpoints from")) {
            for (CheckpointId id : ids) {
                new Removal(directory, catalog).deleteManifest(id);
            }
        }
    }

    void recordLayers(FileIdentity file, List<SegmentName> layers) throws VmckptException {
        long recordedNanos = FileIdentity.nowNanos();
        try (StoreHold _ = segmentLock.share("write to");
                StoreHold _ = manifestLock.excludeSoon("write to")) {
            layerRecords.put(file, recordedNanos, foldings.apply(layers), temporaries.next());
        }
    }
}
