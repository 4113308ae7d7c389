package org.vmckpt.core.store;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.function.Predicate;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/** The last step of a checkpoint: its manifest gets its name, and with it the checkpoint exists. */
final class Publication {
    private Publication() {}

    /**
     * Checks that the manifest lists segments of the right kinds, that each is there, and that each
     * new one can be opened. The others may be many and large, and were checked when they were new.
     */
    static void checkSegments(
            StoreDirectory directory, Manifest manifest, Predicate<SegmentName> isNew)
            throws VmckptException {
        checkKind(manifest, SegmentKind.DEVICE, List.of(manifest.devices().segment()));
        for (Manifest.MemoryBlock block : manifest.memory()) {
            checkKind(manifest, SegmentKind.MEMORY, block.layers());
        }
        for (Manifest.DiskState disk : manifest.disks()) {
            checkKind(manifest, SegmentKind.DISK, disk.layers());
        }
        for (SegmentName name : manifest.segments()) {
            if (isNew.test(name)) {
                SegmentReader.open(directory.segment(name), name).close();
            } else {
                SegmentReader.probe(directory.segment(name), name);
            }
        }
    }

    private static void checkKind(Manifest manifest, SegmentKind kind, List<SegmentName> names)
            throws CorruptException {
        for (SegmentName name : names) {
            if (SegmentKind.of(name) != kind) {
                throw new CorruptException(
                        "publish checkpoint "
                                + manifest.id()
                                + ": its manifest uses segment "
                                + name
                                + " as "
                                + kind.prefix()
                                + "; the manifest is wrong");
            }
        }
    }

    /** Makes the names of a folder durable. */
    interface FolderSync {
        void sync(Path folder) throws IOException;
    }

    static void publish(StoreDirectory directory, CheckpointId id, byte[] bytes, Path temporary)
            throws VmckptException {
        publish(directory, id, bytes, temporary, DurableFiles::syncFolder);
    }

    /** After a failure the checkpoint does not exist, unless it did before or the error says so. */
    static void publish(
            StoreDirectory directory,
            CheckpointId id,
            byte[] bytes,
            Path temporary,
            FolderSync folders)
            throws VmckptException {
        ManifestCodec.decode(bytes, id);
        Path manifest = directory.manifest(id);
        boolean existed = Files.exists(manifest, LinkOption.NOFOLLOW_LINKS);
        boolean moved = false;
        try {
            DurableFiles.write(temporary, bytes);
            Files.move(temporary, manifest, StandardCopyOption.ATOMIC_MOVE);
            moved = true;
            folders.sync(directory.checkpoints());
        } catch (IOException e) {
            DurableFiles.deleteQuietly(temporary);
            StorageException failure = directory.failure("publish checkpoint " + id, manifest, e);
            if (moved && !existed) {
                takeBack(directory, id, folders, failure);
            }
            throw failure;
        }
    }

    /** Its name is there, but may not outlast a crash: the caller is to find it gone. */
    private static void takeBack(
            StoreDirectory directory, CheckpointId id, FolderSync folders, StorageException failure)
            throws StorageException {
        try {
            Files.deleteIfExists(directory.manifest(id));
            folders.sync(directory.checkpoints());
        } catch (IOException e) {
            StorageException unknown =
                    new StorageException(
                            failure.getMessage()
                                    + "; taking it back failed too: "
                                    + e
                                    + ". The checkpoint may exist: look with 'vmckpt list', and"
                                    + " remove it with 'vmckpt remove "
                                    + id
                                    + "'",
                            failure);
            unknown.addSuppressed(e);
            throw unknown;
        }
    }
}
