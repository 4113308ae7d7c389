package org.vmckpt.core.store;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/**
 * Deletes checkpoints and segments. The caller has the store alone, or the manifests when segments
 * stay. The manifest goes first: what a crash leaves then are segments that nobody lists, which
 * cleaning finds.
 */
final class Removal {
    private final StoreDirectory directory;
    private final ManifestCatalog catalog;
    private int segmentsRemoved;
    private long bytesFreed;

    Removal(StoreDirectory directory, ManifestCatalog catalog) {
        this.directory = directory;
        this.catalog = catalog;
    }

    RemoveReport remove(CheckpointId id) throws VmckptException {
        Set<SegmentName> listed = listedBy(id);
        Set<SegmentName> used = catalog.usedWithout(Optional.of(id));
        deleteManifest(id);
        Set<SegmentName> unused = new TreeSet<>(listed);
        unused.removeAll(used);
        deleteSegments(unused);
        return new RemoveReport(
                id, segmentsRemoved, listed.size() - unused.size(), bytesFreed, false);
    }

    /** Its segments stay; NotFoundException when it is not there. */
    RemoveReport unlist(CheckpointId id) throws VmckptException {
        int listed = listedBy(id).size();
        deleteManifest(id);
        return new RemoveReport(id, 0, listed, 0, true);
    }

    /** A manifest that cannot be read can still be removed; cleaning then finds its segments. */
    private Set<SegmentName> listedBy(CheckpointId id) throws VmckptException {
        try {
            Manifest manifest = catalog.read(id);
            return manifest.segments();
        } catch (CorruptException | UnsupportedException e) {
            return Set.of();
        }
    }

    /** Its segments stay. */
    void deleteManifest(CheckpointId id) throws VmckptException {
        Path manifest = directory.manifest(id);
        try {
            Files.deleteIfExists(manifest);
            DurableFiles.syncFolder(directory.checkpoints());
        } catch (IOException e) {
            throw directory.failure("remove checkpoint " + id, manifest, e);
        }
    }

    CleanReport clean() throws VmckptException {
        Set<SegmentName> unused = present();
        unused.removeAll(catalog.usedWithout(Optional.empty()));
        deleteSegments(unused);
        return new CleanReport(0, segmentsRemoved, bytesFreed, false);
    }

    private Set<SegmentName> present() throws VmckptException {
        Set<SegmentName> names = new TreeSet<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory.segments())) {
            for (Path entry : entries) {
                String file = String.valueOf(entry.getFileName());
                String name = file.replaceFirst("\\.seg$", "");
                if (!name.equals(file) && SegmentName.isWellFormed(name)) {
                    names.add(new SegmentName(name));
                }
            }
        } catch (IOException e) {
            throw directory.failure("list segments", directory.segments(), e);
        }
        return names;
    }

    private void deleteSegments(Set<SegmentName> names) throws VmckptException {
        for (SegmentName name : names) {
            Path file = directory.segment(name);
            try {
                long size =
                        Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS) ? Files.size(file) : 0;
                if (Files.deleteIfExists(file)) {
                    segmentsRemoved++;
                    bytesFreed += size;
                }
            } catch (IOException e) {
                throw directory.failure("remove segment " + name, file, e);
            }
        }
        try {
            DurableFiles.syncFolder(directory.segments());
        } catch (IOException e) {
            throw directory.failure("remove segments", directory.segments(), e);
        }
    }
}
