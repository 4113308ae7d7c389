package org.vmckpt.core.store;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** A store directory. Safe for several threads and several processes at once. */
public final class Store implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Store.class);

    private final StoreDirectory directory;
    private final StoreLock lock;
    private final ManifestCatalog catalog;
    private final LayerRecords layerRecords;
    private final UnpublishedSegments unpublished;
    private final TemporaryFiles temporaries;
    private final ManifestChanges changes;

    private Store(StoreDirectory directory) {
        this.directory = directory;
        this.lock = StoreLock.ofSegments(directory);
        this.catalog = new ManifestCatalog(directory);
        this.layerRecords = new LayerRecords(directory);
        this.unpublished = new UnpublishedSegments(lock);
        this.temporaries = new TemporaryFiles(directory);
        this.changes = new ManifestChanges(directory, lock, catalog, layerRecords, temporaries);
    }

    /** Opens an existing store. */
    public static Store open(Path directory) throws VmckptException {
        return new Store(StoreDirectory.open(directory));
    }

    /** Opens a store, creating it first when the directory is missing or empty. */
    public static Store openOrCreate(Path directory) throws VmckptException {
        return new Store(StoreDirectory.openOrCreate(directory));
    }

    public Path directory() {
        return directory.root();
    }

    /**
     * Keeps segments from being removed until closed. Take it before {@link #layersOf} when its
     * answer goes into a manifest, and before reading a checkpoint or building on one: then {@link
     * #find} its manifest, for compaction may have given it other segments since it was last read.
     * Waits while segments are being removed; ConflictException when that takes too long.
     */
    public StoreHold hold() throws VmckptException {
        return lock.share("use");
    }

    /**
     * Starts a segment. It is safe from removal until its manifest is published, or it is {@link
     * #abandon abandoned}, or this store object is closed.
     *
     * @param contentBytes size of the address space; need not be a multiple of the unit size
     */
    public SegmentWriter newSegment(SegmentKind kind, int unitSizeBytes, long contentBytes)
            throws VmckptException {
        SegmentHeader header = SegmentHeader.create(kind, unitSizeBytes, contentBytes);
        unpublished.writerOpened();
        SegmentWriter writer = null;
        try {
            writer = new SegmentWriter(directory, temporaries.next(), header, unpublished);
            return writer;
        } finally {
            if (writer == null) {
                unpublished.writerClosed(null);
            }
        }
    }

    /** Stores bytes that are already in memory, for example a device stream. */
    public SegmentName putBytes(SegmentKind kind, byte[] content) throws VmckptException {
        try (SegmentWriter writer =
                newSegment(kind, SegmentBytes.UNIT_SIZE_BYTES, content.length)) {
            return SegmentBytes.write(content, writer);
        }
    }

    /** Reads a whole segment into memory. */
    public byte[] getBytes(SegmentName name) throws VmckptException {
        try (SegmentReader reader = openSegment(name)) {
            return SegmentBytes.read(name, reader);
        }
    }

    public SegmentReader openSegment(SegmentName name) throws VmckptException {
        return SegmentReader.open(directory.segment(name), name);
    }

    /** Opens a stack, oldest first: the last that has a unit wins. */
    public LayeredReader openLayers(List<SegmentName> layers) throws VmckptException {
        List<SegmentReader> readers = new ArrayList<>();
        LayeredReader opened = null;
        try {
            for (SegmentName layer : layers) {
                readers.add(openSegment(layer));
            }
            opened = LayeredReader.of(readers);
            return opened;
        } finally {
            if (opened == null) {
                readers.forEach(SegmentReader::close);
            }
        }
    }

    /**
     * Makes a checkpoint visible, atomically and durably, after checking that every segment is
     * there, has the right kind, and has a sound header and index.
     *
     * @return the manifest as it is stored: it names merged segments where layers were compacted
     *     while the checkpoint was taken
     */
    public Manifest publish(Manifest manifest) throws VmckptException {
        Manifest folded = changes.publish(manifest, unpublished::contains);
        unpublished.forget(manifest.segments());
        return folded;
    }

    /** Has all manifests and hints name the merged segment; returns how many manifests changed. */
    int fold(Folding folding) throws VmckptException {
        return changes.fold(folding);
    }

    /**
     * Gives up segments that will not be published, so that {@link #clean} may reclaim them while
     * this store object lives.
     */
    public void abandon(Collection<SegmentName> segments) {
        unpublished.forget(segments);
    }

    /** Every readable checkpoint, oldest first. */
    public List<Manifest> list() throws VmckptException {
        return catalog.list().readable();
    }

    /** Why each checkpoint that {@link #list} leaves out cannot be read. */
    public List<VmckptException> unreadable() throws VmckptException {
        return catalog.list().unreadable();
    }

    /**
     * Finds one checkpoint: by its full id, by its name when only one has it, by the start of the
     * id or of its random part when only one has that, or the newest as {@code latest}.
     */
    public Manifest find(String reference) throws VmckptException {
        return catalog.find(reference);
    }

    /** Bytes of the checkpoint's segments in the store, shared ones included. */
    public long storedBytes(Manifest manifest) throws VmckptException {
        long sum = 0;
        for (SegmentName name : manifest.segments()) {
            sum += segmentBytes(name);
        }
        return sum;
    }

    /** What all its files take, with those that are being written or that nobody needs any more. */
    public long usedBytes() throws VmckptException {
        AtomicLong sum = new AtomicLong();
        try {
            Files.walkFileTree(
                    directory.root(),
                    new SimpleFileVisitor<>() {
                        @Override
                        public FileVisitResult visitFile(Path file, BasicFileAttributes is) {
                            sum.addAndGet(is.isRegularFile() ? is.size() : 0);
                            return FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult visitFileFailed(Path file, IOException removed) {
                            return FileVisitResult.CONTINUE;
                        }
                    });
        } catch (IOException e) {
            throw directory.failure("measure the store", directory.root(), e);
        }
        return sum.get();
    }

    /** What the file system has left for us. */
    public long usableBytes() throws VmckptException {
        try {
            return Files.getFileStore(directory.root()).getUsableSpace();
        } catch (IOException e) {
            throw directory.failure("measure free space", directory.root(), e);
        }
    }

    /** Size of a segment's file; 0 when it is missing. */
    long segmentBytes(SegmentName name) throws VmckptException {
        Path file = directory.segment(name);
        try {
            return Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS) ? Files.size(file) : 0;
        } catch (IOException e) {
            throw directory.failure("measure segment " + name, file, e);
        }
    }

    /**
     * Reads every block of the checkpoint, as it is stored now. Damage is reported, not thrown.
     * NotFoundException when the checkpoint was removed meanwhile.
     */
    public VerifyReport verify(Manifest manifest, ProgressListener progress)
            throws VmckptException {
        try (StoreHold _ = lock.share("verify")) {
            Manifest stored = catalog.read(manifest.id());
            return Verification.run(directory, stored, storedBytes(stored), progress);
        }
    }

    /**
     * Removes a checkpoint and those of its segments that no other checkpoint uses. While others
     * read or write the store, segments stay until the next {@link #clean}.
     */
    public RemoveReport remove(CheckpointId id) throws VmckptException {
        StoreHold alone;
        try {
            alone = lock.exclude("remove a checkpoint from");
        } catch (ConflictException e) {
            LOG.debug("remove only the manifest: {}", e.getMessage());
            return changes.remove(id);
        }
        try (alone) {
            return new Removal(directory, catalog).remove(id);
        }
    }

    /**
     * Makes checkpoints disappear also while others read or write the store. What they used stays
     * until the next {@link #clean}. One that is not there is no error.
     */
    void unlist(Collection<CheckpointId> ids) throws VmckptException {
        changes.unlist(ids);
    }

    /**
     * Removes temporary files of dead writers, and segments that no checkpoint lists. The latter
     * only when nobody reads or writes the store at the moment.
     */
    public CleanReport clean() throws VmckptException {
        StoreHold alone;
        try {
            alone = lock.exclude("clean");
        } catch (ConflictException e) {
            LOG.debug("clean only temporary files: {}", e.getMessage());
            return new CleanReport(temporaries.deleteDead(false), 0, 0, true);
        }
        try (alone) {
            int temporaryFiles = temporaries.deleteDead(true);
            CleanReport report = new Removal(directory, catalog).clean();
            return new CleanReport(
                    temporaryFiles, report.segmentsRemoved(), report.bytesFreed(), false);
        }
    }

    /**
     * Writes a checkpoint as one stream and verifies what it sends. Returns the number of bytes
     * written. The stream is flushed, not closed.
     */
    public long exportTo(Manifest manifest, OutputStream out, ProgressListener progress)
            throws VmckptException {
        try (StoreHold _ = lock.share("export from")) {
            byte[] bytes = catalog.readBytes(manifest.id());
            Manifest stored = ManifestCodec.decode(bytes, manifest.id());
            return new Exporter(directory, stored, bytes, storedBytes(stored), progress)
                    .writeTo(out);
        }
    }

    /**
     * Takes in an export; nothing is visible before all of it is verified. Reads to the end of the
     * stream and does not close it. A checkpoint that is already here is no error.
     */
    public Manifest importFrom(InputStream in, ProgressListener progress) throws VmckptException {
        TemporaryFolder folder = temporaries.folder();
        try (StoreHold _ = lock.share("import into");
                ArchiveSource archive = new ArchiveSource(in)) {
            Importer importer = new Importer(directory, catalog, folder::newFile, progress);
            Manifest manifest = importer.receive(archive);
            if (importer.isHereInOtherLayers()) {
                return catalog.read(manifest.id());
            }
            Publication.checkSegments(directory, manifest, name -> true);
            changes.publishImported(manifest.id(), importer.manifestBytes());
            return manifest;
        }
    }

    /**
     * Layers that together equal the content of the file in this state, backing chain included;
     * empty when not known, or when a segment is gone.
     */
    public Optional<List<SegmentName>> layersOf(FileIdentity file) throws VmckptException {
        return layerRecords.find(file);
    }

    /**
     * Remembers layers for {@link #layersOf}; replaces what was known of this path. An identity
     * that is not {@linkplain FileIdentity#settled settled} by now will not be trusted.
     */
    public void recordLayers(FileIdentity file, List<SegmentName> layers) throws VmckptException {
        changes.recordLayers(file, layers);
    }

    /**
     * Close writers and readers first. Segments that were not published are left to {@link #clean}.
     */
    @Override
    public void close() {
        unpublished.close();
        temporaries.close();
    }
}
