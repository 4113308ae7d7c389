package org.vmckpt.core.store;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** The last step of a checkpoint: its manifest gets its name, and with it the checkpoint exists. */
final class Publication {
    private Publication() {}

    /** Checks that the manifest lists segments of the right kinds, and that each can be opened. */
    static void checkSegments(StoreDirectory directory, Manifest manifest) throws VmckptException {
        checkKind(manifest, SegmentKind.DEVICE, List.of(manifest.devices().segment()));
        for (Manifest.MemoryBlock block : manifest.memory()) {
            checkKind(manifest, SegmentKind.MEMORY, block.layers());
        }
        for (Manifest.DiskState disk : manifest.disks()) {
            checkKind(manifest, SegmentKind.DISK, disk.layers());
        }
        for (SegmentName name : manifest.segments()) {
            SegmentReader.open(directory.segment(name), name).close();
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

    static void publish(StoreDirectory directory, CheckpointId id, byte[] bytes, Path temporary)
            throws VmckptException {
        ManifestCodec.decode(bytes, id);
        try {
            DurableFiles.write(temporary, bytes);
            DurableFiles.rename(temporary, directory.manifest(id));
        } catch (IOException e) {
            DurableFiles.deleteQuietly(temporary);
            throw directory.failure("publish checkpoint " + id, directory.manifest(id), e);
        }
    }
}
