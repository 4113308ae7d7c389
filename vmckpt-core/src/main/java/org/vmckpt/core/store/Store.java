package org.vmckpt.core.store;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/** A store directory. Safe for several threads and several processes at once. */
public final class Store implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Store.class);

    /** Device streams are read whole; nothing larger is the device state of a guest. */
    private static final int MAX_BYTES_IN_MEMORY = 1 << 30;

    private static final int BYTES_UNIT_SIZE = 65536;

    private final StoreDirectory directory;
    private final StoreLock lock;
    private final StoreLock manifestLock;
    private final RecentFoldings foldings;
    private final ManifestCatalog catalog;
    private final LayerRecords layerRecords;
    private final UnpublishedSegments unpublished;

    /** Guarded by this object; made when the first file is written. */
    private @Nullable TemporaryFolder temporaryFolder;

    private Store(StoreDirectory directory) {
        this.directory = directory;
        this.lock = StoreLock.ofSegments(directory);
        this.manifestLock = StoreLock.ofManifests(directory);
        this.foldings = new RecentFoldings(directory);
        this.catalog = new ManifestCatalog(directory);
        this.layerRecords = new LayerRecords(directory);
        this.unpublished = new UnpublishedSegments(lock);
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
            writer = new SegmentWriter(directory, temporaryFile(), header, unpublished);
            return writer;
        } finally {
            if (writer == null) {
                unpublished.writerClosed(null);
            }
        }
    }

    /** Stores bytes that are already in memory, for example a device stream. */
    public SegmentName putBytes(SegmentKind kind, byte[] content) throws VmckptException {
        try (SegmentWriter writer = newSegment(kind, BYTES_UNIT_SIZE, content.length)) {
            ByteBuffer unit = ByteBuffer.allocateDirect(BYTES_UNIT_SIZE);
            long[] number = new long[1];
            for (int offset = 0; offset < content.length; offset += BYTES_UNIT_SIZE) {
                int length = Math.min(BYTES_UNIT_SIZE, content.length - offset);
                unit.clear().put(content, offset, length);
                SegmentReader.putZeros(unit, unit.remaining());
                number[0] = offset / BYTES_UNIT_SIZE;
                writer.append(number, 1, unit.clear());
            }
            return writer.finish();
        }
    }

    /** Reads a whole segment into memory. */
    public byte[] getBytes(SegmentName name) throws VmckptException {
        try (SegmentReader reader = openSegment(name)) {
            if (reader.contentBytes() > MAX_BYTES_IN_MEMORY) {
                throw new UnsupportedException(
                        "read segment "
                                + name
                                + " into memory: it has "
                                + reader.contentBytes()
                                + " bytes, at most "
                                + MAX_BYTES_IN_MEMORY
                                + " are supported");
            }
            byte[] content = new byte[(int) reader.contentBytes()];
            int unitSize = reader.unitSizeBytes();
            reader.forEachBlock((units, count, data) -> {
                for (int i = 0; i < count; i++) {
                    int at = (int) (units[i] * unitSize);
                    int length = Math.min(unitSize, content.length - at);
                    data.get(data.position() + i * unitSize, content, at, length);
                }
            });
            return content;
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
        Manifest folded;
        try (StoreHold _ = lock.share("publish to");
                StoreHold _ = manifestLock.excludeSoon("publish to")) {
            folded = manifest.withLayers(foldings::apply);
            Publication.checkSegments(directory, folded, unpublished::contains);
            byte[] bytes = ManifestCodec.encode(folded);
            if (catalog.exists(manifest.id())) {
                throw new ConflictException(
                        "publish checkpoint "
                                + manifest.id()
                                + ": store "
                                + directory.root()
                                + " has a checkpoint of this id already; take a new id");
            }
            Publication.publish(directory, manifest.id(), bytes, temporaryFile());
        }
        unpublished.forget(manifest.segments());
        return folded;
    }

    /** Has all manifests and hints name the merged segment; returns how many manifests changed. */
    int fold(Folding folding) throws VmckptException {
        try (StoreHold _ = lock.share("compact");
                StoreHold _ = manifestLock.excludeSoon("compact")) {
            foldings.add(folding);
            int changed = 0;
            for (CheckpointId id : catalog.ids()) {
                Optional<byte[]> replaced = catalog.withLayers(id, folding::apply);
                if (replaced.isPresent()) {
                    Publication.publish(directory, id, replaced.get(), temporaryFile());
                    changed++;
                }
            }
            layerRecords.replaceLayers(folding::apply, temporaryFolder()::newFile);
            return changed;
        }
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

    /** What the file system has left for us. */
    long usableBytes() throws VmckptException {
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

    /** Removes a checkpoint and those of its segments that no other checkpoint uses. */
    public RemoveReport remove(CheckpointId id) throws VmckptException {
        try (StoreHold _ = lock.exclude("remove a checkpoint from")) {
            return new Removal(directory, catalog).remove(id);
        }
    }

    /**
     * Makes checkpoints disappear also while others read or write the store. What they used stays
     * until the next {@link #clean}. One that is not there is no error.
     */
    void unlist(Collection<CheckpointId> ids) throws VmckptException {
        try (StoreHold _ = lock.share("remove checkpoints from");
                StoreHold _ = manifestLock.excludeSoon("remove checkpoints from")) {
            for (CheckpointId id : ids) {
                new Removal(directory, catalog).deleteManifest(id);
            }
        }
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
            return new CleanReport(deleteDeadTemporaries(false), 0, 0, true);
        }
        try (alone) {
            int temporaries = deleteDeadTemporaries(true);
            CleanReport report = new Removal(directory, catalog).clean();
            return new CleanReport(
                    temporaries, report.segmentsRemoved(), report.bytesFreed(), false);
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
        temporaryFolder();
        try (StoreHold _ = lock.share("import into");
                ArchiveSource archive = new ArchiveSource(in)) {
            Importer importer =
                    new Importer(directory, catalog, temporaryFolder()::newFile, progress);
            Manifest manifest = importer.receive(archive);
            if (importer.isHereInOtherLayers()) {
                return catalog.read(manifest.id());
            }
            Publication.checkSegments(directory, manifest, name -> true);
            try (StoreHold _ = manifestLock.excludeSoon("import into")) {
                Publication.publish(
                        directory, manifest.id(), importer.manifestBytes(), temporaryFile());
            }
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
        long recordedNanos = FileIdentity.nowNanos();
        try (StoreHold _ = lock.share("write to");
                StoreHold _ = manifestLock.excludeSoon("write to")) {
            layerRecords.put(file, recordedNanos, foldings.apply(layers), temporaryFile());
        }
    }

    private Path temporaryFile() throws VmckptException {
        return temporaryFolder().newFile();
    }

    private synchronized TemporaryFolder temporaryFolder() throws VmckptException {
        TemporaryFolder folder = temporaryFolder;
        if (folder == null) {
            deleteDeadTemporaries(false);
            try {
                folder = TemporaryFolder.create(directory.temporary());
            } catch (IOException e) {
                throw directory.failure("create a temporary folder", directory.temporary(), e);
            }
            temporaryFolder = folder;
        }
        return folder;
    }

    private int deleteDeadTemporaries(boolean alone) throws StorageException {
        try {
            return TemporaryFolder.deleteDead(directory.temporary(), alone);
        } catch (IOException e) {
            throw directory.failure("clean temporary files", directory.temporary(), e);
        }
    }

    /**
     * Close writers and readers first. Segments that were not published are left to {@link #clean}.
     */
    @Override
    public synchronized void close() {
        unpublished.close();
        if (temporaryFolder != null) {
            temporaryFolder.close();
            temporaryFolder = null;
        }
    }
}
