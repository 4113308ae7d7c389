package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockStatus;
import org.vmckpt.cow.block.PlainFile;
import org.vmckpt.cow.block.StorageFile;
import org.vmckpt.cow.qcow2.Qcow2Image;
import org.vmckpt.cow.volume.VolumeDescription.LayerFile;

/**
 * Whether a fork happened that nobody came to record, found out when the process is gone that had
 * the volume. A fork itself writes nothing; but before it the description named the next layer.
 *
 * <ul>
 *   <li>Anything was written to the next layer: it happened.
 *   <li>The active layer is held: a checkpoint may have been told that it is frozen, so it is.
 *   <li>Else nobody was told so: an answer to whoever forks without a hold comes after the record,
 *       and what would be in the next layer after a flush the flush has recorded first.
 * </ul>
 *
 * <p>An empty layer reads as if it were not there, so in case of doubt it counts.
 */
final class UnrecordedFork {
    private static final Logger LOG = LoggerFactory.getLogger(UnrecordedFork.class);
    private static final int HEADER_BYTES = 512;

    private UnrecordedFork() {}

    /** Returns what the description means: one without a next layer. */
    static VolumeDescription decide(VolumeFolder folder, VolumeDescription found)
            throws IOException {
        if (found.next().isEmpty()) {
            return found;
        }
        LayerFile next = found.next().get();
        boolean happened =
                folder.holds().containsKey(found.active().file()) || !isUnused(folder.file(next));
        return happened ? found.forked() : found.withoutNext();
    }

    /** Whether nothing was ever written to a layer's file or to its log. */
    static boolean isUnused(Path layer) throws IOException {
        return !LoggedFile.holdsEntries(layer) && isEmpty(layer);
    }

    /** A file without a header is one too: nobody ever wrote through it. */
    private static boolean isEmpty(Path path) throws IOException {
        try (StorageFile file = PlainFile.openReadOnly(path)) {
            if (isZero(file)) {
                return true;
            }
            Qcow2Image image = Qcow2Image.openReadOnly(file, path.toString(), Optional.empty());
            return image.layerStatus(0) == BlockStatus.HOLE
                    && image.layerExtentEnd(0, image.size()) == image.size();
        } catch (VmckptException e) {
            LOG.warn("{}: {}", path, e.getMessage());
            return false;
        }
    }

    private static boolean isZero(StorageFile file) throws IOException {
        ByteBuffer start = ByteBuffer.allocateDirect(HEADER_BYTES);
        file.read(start, 0);
        return start.flip().mismatch(ByteBuffer.allocate(start.limit())) == -1;
    }
}
