package org.vmckpt.core.store;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.ArchiveSource.Entry;

/**
 * Takes in an export. Everything is written to temporary files and verified; only when all is there
 * do the segments get their names, and the caller publishes the manifest.
 */
final class Importer {
    private static final int BUFFER_BYTES = 1 << 18;

    private final StoreDirectory directory;
    private final ManifestCatalog catalog;
    private final Supplier<Path> temporaryFiles;
    private final ProgressListener progress;
    private final Map<SegmentName, Path> received = new TreeMap<>();
    private final byte[] buffer = new byte[BUFFER_BYTES];
    private byte[] manifestBytes = new byte[0];
    private long receivedBytes;
    private boolean hereInOtherLayers;

    Importer(
            StoreDirectory directory,
            ManifestCatalog catalog,
            Supplier<Path> temporaryFiles,
            ProgressListener progress) {
        this.directory = directory;
        this.catalog = catalog;
        this.temporaryFiles = temporaryFiles;
        this.progress = progress;
    }

    /** Afterwards all segments are in place, verified and durable. */
    Manifest receive(ArchiveSource archive) throws VmckptException {
        try {
            checkMarker(archive);
            Manifest manifest = receiveManifest(archive);
            for (Entry entry = archive.next(); entry != null; entry = archive.next()) {
                receiveSegment(archive, entry, manifest);
            }
            for (SegmentName name : manifest.segments()) {
                if (!received.containsKey(name)) {
                    throw archive.cut("segment " + name + " is missing");
                }
            }
            if (!hereInOtherLayers) {
                placeSegments();
            }
            return manifest;
        } finally {
            received.values().forEach(DurableFiles::deleteQuietly);
        }
    }

    /**
     * Whether the store had this checkpoint already, but compacted: then it stays as it is, and
     * what was received is not needed.
     */
    boolean isHereInOtherLayers() {
        return hereInOtherLayers;
    }

    /** The manifest's file, once it was received. */
    byte[] manifestBytes() {
        return manifestBytes.clone();
    }

    private void checkMarker(ArchiveSource archive) throws VmckptException {
        Entry entry = archive.next();
        if (entry == null || !entry.name().equals(ExportFormat.MARKER)) {
            throw new CorruptException(
                    "import: the stream does not start with "
                            + ExportFormat.MARKER
                            + " but with "
                            + (entry == null ? "nothing" : "'" + entry.name() + "'")
                            + "; give a stream made by 'vmckpt export'");
        }
        JsonNode marker;
        try {
            marker = Json.MAPPER.readTree(readSmall(archive, entry, ExportFormat.MAX_MARKER_BYTES));
        } catch (IOException e) {
            throw new CorruptException("import: " + ExportFormat.MARKER + " is no JSON", e);
        }
        FormatVersion.check(
                marker.path("version"),
                ExportFormat.VERSION,
                "import: the version of the stream is");
    }

    private Manifest receiveManifest(ArchiveSource archive) throws VmckptException {
        Entry entry = archive.next();
        String id =
                entry == null
                        ? null
                        : between(
                                entry.name(),
                                ExportFormat.CHECKPOINTS,
                                StoreDirectory.MANIFEST_SUFFIX);
        if (entry == null || id == null || !CheckpointId.isWellFormed(id)) {
            throw unexpected(entry, "a manifest must come first");
        }
        byte[] bytes = readSmall(archive, entry, ManifestCodec.MAX_BYTES);
        Manifest manifest = ManifestCodec.decode(bytes, new CheckpointId(id));
        refuseOther(manifest, bytes);
        manifestBytes = bytes;
        return manifest;
    }

    /** The same checkpoint again is fine, and so is a good copy of a damaged one. */
    private void refuseOther(Manifest manifest, byte[] bytes) throws VmckptException {
        if (!catalog.exists(manifest.id())) {
            return;
        }
        boolean equal;
        try {
            Manifest here = catalog.read(manifest.id());
            boolean sameBytes = Arrays.equals(catalog.readBytes(manifest.id()), bytes);
            equal = sameBytes || withoutLayers(here).equals(withoutLayers(manifest));
            hereInOtherLayers = equal && !sameBytes && !here.equals(manifest) && isComplete(here);
        } catch (CorruptException e) {
            equal = true;
        }
        if (!equal) {
            throw new ConflictException(
                    "import checkpoint "
                            + manifest.id()
                            + ": store "
                            + directory.root()
                            + " has a different checkpoint of this id; remove that one first");
        }
    }

    private static Manifest withoutLayers(Manifest manifest) {
        return manifest.withLayers(layers -> List.of());
    }

    private boolean isComplete(Manifest here) {
        try {
            Publication.checkSegments(directory, here, name -> true);
            return true;
        } catch (VmckptException e) {
            return false;
        }
    }

    private void receiveSegment(ArchiveSource archive, Entry entry, Manifest manifest)
            throws VmckptException {
        String text = between(entry.name(), ExportFormat.SEGMENTS, StoreDirectory.SEGMENT_SUFFIX);
        if (text == null || !SegmentName.isWellFormed(text)) {
            throw unexpected(entry, "only segments may follow the manifest");
        }
        SegmentName name = new SegmentName(text);
        if (!manifest.segments().contains(name)) {
            throw unexpected(entry, "the manifest does not list it");
        }
        if (received.containsKey(name)) {
            throw unexpected(entry, "it comes a second time");
        }
        checkSpace(entry);
        Path file = temporaryFiles.get();
        received.put(name, file);
        copy(archive, entry, file, name);
        try (SegmentReader reader = SegmentReader.open(file, name)) {
            SegmentSweep.run(reader, new EndAtDamage());
        }
    }

    private void checkSpace(Entry entry) throws VmckptException {
        long usable;
        try {
            usable = Files.getFileStore(directory.root()).getUsableSpace();
        } catch (IOException e) {
            throw directory.failure("import", directory.root(), e);
        }
        if (entry.sizeBytes() > usable) {
            throw new StorageException(
                    "import into store "
                            + directory.root()
                            + ": '"
                            + entry.name()
                            + "' has "
                            + entry.sizeBytes()
                            + " bytes, the file system has "
                            + usable
                            + " left; nothing was imported. Free space and try again");
        }
    }

    private void copy(ArchiveSource archive, Entry entry, Path file, SegmentName name)
            throws VmckptException {
        try (FileChannel channel = DurableFiles.create(file)) {
            long at = 0;
            int count;
            while ((count = archive.read(buffer)) >= 0) {
                if (at == 0) {
                    checkSize(entry, count, name);
                }
                DurableFiles.writeFully(channel, ByteBuffer.wrap(buffer, 0, count), at);
                at += count;
                receivedBytes += count;
                progress.update("import", receivedBytes, -1, "bytes");
            }
            if (at != entry.sizeBytes()) {
                throw archive.cut("in the middle of segment " + name);
            }
            channel.force(true);
        } catch (IOException e) {
            throw directory.failure("import segment " + name, file, e);
        }
    }

    /** Refuses a file that is larger than its own header allows, before it is written. */
    private void checkSize(Entry entry, int available, SegmentName name) throws VmckptException {
        if (available < SegmentFormat.HEADER_BYTES) {
            return;
        }
        SegmentHeader header =
                SegmentHeader.decode(
                        Arrays.copyOf(buffer, SegmentFormat.HEADER_BYTES), "segment " + name);
        if (entry.sizeBytes() > header.maxFileBytes()) {
            throw unexpected(
                    entry,
                    entry.sizeBytes()
                            + " bytes are more than its content of "
                            + header.contentBytes()
                            + " bytes can need");
        }
    }

    private void placeSegments() throws VmckptException {
        for (Map.Entry<SegmentName, Path> entry : received.entrySet()) {
            Path target = directory.segment(entry.getKey());
            try {
                DurableFiles.rename(entry.getValue(), target);
            } catch (IOException e) {
                throw directory.failure("import segment " + entry.getKey(), target, e);
            }
        }
        received.clear();
    }

    private byte[] readSmall(ArchiveSource archive, Entry entry, int maxBytes)
            throws VmckptException {
        if (entry.sizeBytes() > maxBytes) {
            throw unexpected(
                    entry, entry.sizeBytes() + " bytes, at most " + maxBytes + " are possible");
        }
        ByteBuffer content = ByteBuffer.allocate((int) entry.sizeBytes());
        int count;
        while ((count = archive.read(buffer)) >= 0) {
            content.put(buffer, 0, count);
        }
        if (content.hasRemaining()) {
            throw archive.cut("in the middle of '" + entry.name() + "'");
        }
        return content.array();
    }

    /** The middle of a name, or null when the name has another form. */
    private static @Nullable String between(String name, String start, String end) {
        boolean matches =
                name.startsWith(start)
                        && name.endsWith(end)
                        && name.length() >= start.length() + end.length();
        return matches ? name.substring(start.length(), name.length() - end.length()) : null;
    }

    private static VmckptException unexpected(@Nullable Entry entry, String why) {
        return new RefusedException(
                "import: refused "
                        + (entry == null ? "the end of the stream" : "entry '" + entry.name() + "'")
                        + ": "
                        + why
                        + "; nothing was imported. Give a stream made by 'vmckpt export'");
    }

    private static final class EndAtDamage implements SegmentSweep.Listener {
        @Override
        public void verified(int block) {}

        @Override
        public void damaged(int block, VmckptException problem) throws VmckptException {
            throw problem;
        }
    }
}
