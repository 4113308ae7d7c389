package org.vmckpt.core.store;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Json;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/**
 * The folders of a store and the names in them.
 *
 * @param root the real path, without links
 */
record StoreDirectory(Path root) {
    private static final Logger LOG = LoggerFactory.getLogger(StoreDirectory.class);

    static final String SEGMENT_SUFFIX = ".seg";
    static final String MANIFEST_SUFFIX = ".json";

    private static final String FORMAT = "vmckpt-store";
    private static final int VERSION = 1;
    private static final int MAX_MARKER_BYTES = 4096;
    private static final String MARKER = "vmckpt-store.json";
    private static final List<String> FOLDERS = List.of("segments", "checkpoints", "tmp", "state");
    private static final Set<String> LEFT_BY_UNFINISHED_CREATION =
            Set.of("segments", "checkpoints", "tmp", "state", "lock");

    Path lock() {
        return root.resolve("lock");
    }

    Path manifestLock() {
        return root.resolve("manifests.lock");
    }

    Path segments() {
        return root.resolve("segments");
    }

    Path checkpoints() {
        return root.resolve("checkpoints");
    }

    Path temporary() {
        return root.resolve("tmp");
    }

    Path state() {
        return root.resolve("state");
    }

    Path segment(SegmentName name) {
        return segments().resolve(name + SEGMENT_SUFFIX);
    }

    Path manifest(CheckpointId id) {
        return checkpoints().resolve(id + MANIFEST_SUFFIX);
    }

    static StoreDirectory open(Path path) throws VmckptException {
        if (Files.exists(path) && !Files.isDirectory(path)) {
            throw new NotFoundException(
                    "open store "
                            + path
                            + ": that is a file, and a store is a folder; give --store DIR or set"
                            + " VMCKPT_STORE");
        }
        try {
            StoreDirectory directory = new StoreDirectory(path.toRealPath());
            directory.checkMarker();
            directory.checkFolders();
            return directory;
        } catch (NoSuchFileException e) {
            throw new NotFoundException(
                    "open store "
                            + path
                            + ": there is no store ("
                            + e.getFile()
                            + " does not exist); give --store DIR or set VMCKPT_STORE",
                    e);
        } catch (IOException e) {
            throw new StorageException("open store " + path + ": " + e, e);
        }
    }

    static StoreDirectory openOrCreate(Path path) throws VmckptException {
        boolean free = !Files.exists(path) || Files.isDirectory(path);
        if (free && !Files.exists(path.resolve(MARKER), LinkOption.NOFOLLOW_LINKS)) {
            try {
                create(path);
            } catch (IOException e) {
                throw new StorageException("create store " + path + ": " + e, e);
            }
        }
        return open(path);
    }

    private static void create(Path path) throws IOException, RefusedException {
        Files.createDirectories(
                path.toAbsolutePath(),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        refuseOthersFiles(path);
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rwx------"));
        for (String folder : FOLDERS) {
            createFolderOnce(path.resolve(folder));
        }
        createMarker(path);
        DurableFiles.syncFolder(path);
    }

    private static void createFolderOnce(Path folder) throws IOException {
        try {
            DurableFiles.createFolder(folder);
        } catch (FileAlreadyExistsException e) {
            LOG.debug("{}: another process creates the store, or a creation was cut short", folder);
        }
    }

    private static void refuseOthersFiles(Path path) throws IOException, RefusedException {
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(path)) {
            for (Path entry : entries) {
                String name = String.valueOf(entry.getFileName());
                if (!LEFT_BY_UNFINISHED_CREATION.contains(name) && !name.equals(MARKER)) {
                    throw new RefusedException(
                            "create store "
                                    + path
                                    + ": the folder is not a store and not empty (it has "
                                    + name
                                    + "); give an empty or a new folder");
                }
            }
        }
    }

    /** The marker comes last and whole; of two processes that create a store, the first wins. */
    private static void createMarker(Path path) throws IOException {
        String json =
                Json.MAPPER
                        .createObjectNode()
                        .put("format", FORMAT)
                        .put("version", VERSION)
                        .put("uuid", UUID.randomUUID().toString())
                        .toString();
        Path temporary = path.resolve("tmp").resolve(UUID.randomUUID() + MANIFEST_SUFFIX);
        DurableFiles.write(temporary, (json + "\n").getBytes(StandardCharsets.UTF_8));
        try {
            Files.createLink(path.resolve(MARKER), temporary);
        } catch (FileAlreadyExistsException e) {
            LOG.debug("{}: another process created the store first", path);
        } finally {
            DurableFiles.deleteQuietly(temporary);
        }
    }

    private void checkMarker() throws IOException, VmckptException {
        byte[] bytes = DurableFiles.read(root.resolve(MARKER), MAX_MARKER_BYTES);
        String damage =
                "open store "
                        + root
                        + ": "
                        + MARKER
                        + " is not a store's marker; restore that file, or give another store";
        JsonNode marker;
        try {
            marker = Json.MAPPER.readTree(bytes);
        } catch (JsonProcessingException e) {
            throw new CorruptException(damage, e);
        }
        if (!marker.path("format").asText().equals(FORMAT)) {
            throw new CorruptException(damage);
        }
        FormatVersion.check(
                marker.path("version"), VERSION, "open store " + root + ": its format version is");
    }

    private void checkFolders() throws VmckptException {
        for (String folder : FOLDERS) {
            if (!Files.isDirectory(root.resolve(folder), LinkOption.NOFOLLOW_LINKS)) {
                throw new CorruptException(
                        "open store "
                                + root
                                + ": "
                                + folder
                                + " is missing or is not a real folder; restore it");
            }
        }
    }

    /** An error of this store's file system, in words for its owner. */
    StorageException failure(String operation, Path file, IOException cause) {
        String found = String.valueOf(cause.getMessage());
        boolean full =
                found.contains("No space left on device") || found.contains("quota exceeded");
        String advice =
                full
                        ? "the file system is full; nothing of it is visible. Free space, for"
                                + " example with 'vmckpt remove', and try again"
                        : "check the disk and the permissions";
        return new StorageException(
                operation + " in store " + root + " (" + file + "): " + cause + "; " + advice,
                cause);
    }
}
