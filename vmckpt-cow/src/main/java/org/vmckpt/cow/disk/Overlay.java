package org.vmckpt.cow.disk;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Map;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/**
 * The overlay of one disk, while it is made and until it is forked or taken away.
 *
 * @param disk the disk as it was before the fork
 */
record Overlay(GuestDisk disk, String node, Path path, Path hostPath) {
    private static final Duration CREATE_LIMIT = Duration.ofSeconds(30);
    private static final long SECTOR_BYTES = 512;
    private static final int PERMISSION_BITS = 0777;

    static Overlay of(GuestDisk disk, CheckpointId checkpoint, int index) {
        DiskLayer active = disk.active();
        return new Overlay(
                disk,
                OverlayName.nodeFor(checkpoint, index),
                OverlayName.fileFor(active.path(), checkpoint),
                OverlayName.fileFor(active.hostPath(), checkpoint));
    }

    /** Formats the file and adds its nodes to QEMU; no disk uses it yet. */
    void addToQemu(QmpClient qmp) throws VmckptException {
        qmp.execute("blockdev-add", fileNode());
        String job = BlockJobs.ID_PREFIX + "create-" + node;
        ObjectNode create = Json.MAPPER.createObjectNode().put("job-id", job);
        create.set("options", imageOptions());
        qmp.execute("blockdev-create", create);
        BlockJobs.await(qmp, job, CREATE_LIMIT, "create overlay", ProgressListener.none());
        qmp.execute("blockdev-add", imageNode());
    }

    /** What the fork's transaction does for this disk. */
    ObjectNode snapshotAction() {
        ObjectNode action = Json.MAPPER.createObjectNode().put("type", "blockdev-snapshot");
        action.putObject("data").put("node", disk.active().nodeName()).put("overlay", node);
        return action;
    }

    /** Takes both nodes out of QEMU; QEMU refuses while a disk uses them. */
    void removeNodes(QmpClient qmp) throws VmckptException {
        BlockNodes.remove(qmp, node);
        BlockNodes.remove(qmp, OverlayName.fileNodeOf(node));
    }

    void deleteFile() throws StorageException {
        try {
            Files.deleteIfExists(hostPath);
        } catch (IOException e) {
            throw new StorageException(
                    "deleting overlay " + hostPath + ": " + e + "; delete it by hand", e);
        }
    }

    /**
     * We make the file, not QEMU: a confined QEMU may use the images of a folder but not create
     * files in it. It gets the owner and mode of the file that it continues.
     */
    void createFile() throws StorageException {
        Path parent = disk.active().hostPath();
        try {
            Map<String, Object> wanted = Files.readAttributes(parent, "unix:uid,gid,mode");
            Files.createFile(
                    hostPath,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rw-------")));
            Map<String, Object> own = Files.readAttributes(hostPath, "unix:uid,gid");
            for (Map.Entry<String, Object> attribute : own.entrySet()) {
                Object value = wanted.get(attribute.getKey());
                if (value != null && !value.equals(attribute.getValue())) {
                    Files.setAttribute(hostPath, "unix:" + attribute.getKey(), value);
                }
            }
            if (wanted.get("mode") instanceof Integer mode) {
                Files.setAttribute(hostPath, "unix:mode", mode & PERMISSION_BITS);
            }
            // Writes that the guest has flushed must not be lost with the overlay's name.
            FileSync.folderOf(hostPath);
        } catch (IOException | UnsupportedOperationException e) {
            throw new StorageException(
                    "creating overlay "
                            + hostPath
                            + " with the owner and mode of "
                            + parent
                            + ": "
                            + e,
                    e);
        }
    }

    private ObjectNode fileNode() {
        ObjectNode options =
                common("file", OverlayName.fileNodeOf(node)).put("filename", path.toString());
        disk.asyncIo().ifPresent(aio -> options.put("aio", aio));
        return options;
    }

    private ObjectNode imageNode() {
        // The parent is attached by the fork.
        return common("qcow2", node)
                .put("file", OverlayName.fileNodeOf(node))
                .put("detect-zeroes", disk.detectZeroes())
                .putNull("backing");
    }

    /**
     * QEMU does not tell whether the disk passes discards on. The overlay does: it costs a guest
     * that never discards nothing, and keeps the overlay of one that does small.
     */
    private ObjectNode common(String driver, String nodeName) {
        ObjectNode options =
                Json.MAPPER
                        .createObjectNode()
                        .put("driver", driver)
                        .put("node-name", nodeName)
                        .put("discard", "unmap");
        options.putObject("cache")
                .put("direct", disk.cache().direct())
                .put("no-flush", disk.cache().noFlush());
        return options;
    }

    private ObjectNode imageOptions() {
        DiskLayer parent = disk.active();
        long size = Math.ceilDiv(parent.virtualSizeBytes(), SECTOR_BYTES) * SECTOR_BYTES;
        return Json.MAPPER
                .createObjectNode()
                .put("driver", "qcow2")
                .put("version", "v3")
                .put("file", OverlayName.fileNodeOf(node))
                .put("size", size)
                .put("backing-file", parent.path().toString())
                .put("backing-fmt", parent.format());
    }
}
