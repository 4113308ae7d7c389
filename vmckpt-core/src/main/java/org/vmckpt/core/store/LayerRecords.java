package org.vmckpt.core.store;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.Json;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** Hints about files of this host whose content is already in the store. */
final class LayerRecords {
    private static final Logger LOG = LoggerFactory.getLogger(LayerRecords.class);
    private static final String FORMAT = "vmckpt-layers";
    private static final int VERSION = 1;
    private static final int MAX_BYTES = 1 << 20;

    private final StoreDirectory directory;

    LayerRecords(StoreDirectory directory) {
        this.directory = directory;
    }

    private record LayerRecord(
            String format,
            int version,
            FileIdentity file,
            long recordedNanos,
            List<SegmentName> layers) {
        /** Fails on what JSON left out, which makes the parser report it. */
        LayerRecord {
            layers = List.copyOf(layers);
        }
    }

    Optional<List<SegmentName>> find(FileIdentity file) throws VmckptException {
        Path path = pathFor(file);
        try {
            LayerRecord found =
                    Json.MAPPER.readValue(DurableFiles.read(path, MAX_BYTES), LayerRecord.class);
            boolean usable =
                    found != null
                            && FORMAT.equals(found.format())
                            && found.version() == VERSION
                            && file.equals(found.file())
                            && file.isSettledAt(found.recordedNanos())
                            && found.layers().stream().allMatch(this::isPresent);
            return usable ? Optional.of(found.layers()) : Optional.empty();
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (JsonProcessingException e) {
            LOG.warn("ignore the damaged hint {}: {}", path, e.getOriginalMessage());
            return Optional.empty();
        } catch (IOException e) {
            throw directory.failure("read a hint", path, e);
        }
    }

    private boolean isPresent(SegmentName name) {
        return Files.isRegularFile(directory.segment(name), LinkOption.NOFOLLOW_LINKS);
    }

    /** {@code recordedNanos} since 1970: the file has just been seen to have this identity. */
    void put(FileIdentity file, long recordedNanos, List<SegmentName> layers, Path temporary)
            throws VmckptException {
        Path path = pathFor(file);
        try {
            write(new LayerRecord(FORMAT, VERSION, file, recordedNanos, layers), path, temporary);
        } catch (IOException e) {
            throw directory.failure("write a hint", path, e);
        }
    }

    /** Changes the layers of all hints; one that cannot be read or written stays, and is stale. */
    void replaceLayers(
            UnaryOperator<List<SegmentName>> replacement, Supplier<Path> temporaryFiles) {
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory.state())) {
            for (Path path : entries) {
                replaceLayers(path, replacement, temporaryFiles);
            }
        } catch (IOException e) {
            LOG.warn("hints in {} stay as they are: {}", directory.state(), e.toString());
        }
    }

    private static void replaceLayers(
            Path path, UnaryOperator<List<SegmentName>> replacement, Supplier<Path> temporaries)
            throws IOException {
        LayerRecord found;
        try {
            found = Json.MAPPER.readValue(DurableFiles.read(path, MAX_BYTES), LayerRecord.class);
        } catch (JsonProcessingException e) {
            LOG.debug("leave the damaged hint {}: {}", path, e.getOriginalMessage());
            return;
        }
        boolean known =
                found != null && FORMAT.equals(found.format()) && found.version() == VERSION;
        if (!known) {
            return;
        }
        List<SegmentName> layers = replacement.apply(found.layers());
        if (!layers.equals(found.layers())) {
            write(
                    new LayerRecord(FORMAT, VERSION, found.file(), found.recordedNanos(), layers),
                    path,
                    temporaries.get());
        }
    }

    private static void write(LayerRecord record, Path path, Path temporary) throws IOException {
        try {
            DurableFiles.write(temporary, Json.MAPPER.writeValueAsBytes(record));
            DurableFiles.rename(temporary, path);
        } catch (IOException e) {
            DurableFiles.deleteQuietly(temporary);
            throw e;
        }
    }

    private Path pathFor(FileIdentity file) {
        byte[] path = file.absolutePath().getBytes(StandardCharsets.UTF_8);
        return directory.state().resolve(Sha256.hex(path) + StoreDirectory.MANIFEST_SUFFIX);
    }
}
