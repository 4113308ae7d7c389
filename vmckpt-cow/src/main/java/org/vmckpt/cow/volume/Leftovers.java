package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockStatus;
import org.vmckpt.cow.block.PlainFile;
import org.vmckpt.cow.qcow2.Qcow2Image;

/**
 * Removes what a process left that was killed: layers that were prepared and never used, and those
 * that had been folded. Whatever holds data and is not known to be folded stays.
 */
final class Leftovers {
    private static final Logger LOG = LoggerFactory.getLogger(Leftovers.class);

    private final VolumeFolder folder;

    Leftovers(VolumeFolder folder) {
        this.folder = folder;
    }

    /** Returns the description without what it says of files that are gone. */
    VolumeDescription remove(VolumeDescription description) throws IOException {
        for (Path file : folder.unlisted(description)) {
            boolean folded = description.folded().contains(file.getFileName().toString());
            if (folded || isEmpty(file)) {
                Files.delete(file);
                LoggedFile.deleteFor(file);
            } else {
                LOG.warn("{} belongs to no layer and holds data; it is left there", file);
            }
        }
        if (description.folded().isEmpty()) {
            return description;
        }
        VolumeDescription clean = description.withFoldedDeleted();
        folder.write(clean);
        return clean;
    }

    /** A file without a header is one too: nobody ever wrote through it. */
    private static boolean isEmpty(Path path) throws IOException {
        if (Files.size(path) == 0) {
            return true;
        }
        try (Qcow2Image image =
                Qcow2Image.openReadOnly(
                        PlainFile.openReadOnly(path), path.toString(), Optional.empty())) {
            return image.layerStatus(0) == BlockStatus.HOLE
                    && image.layerExtentEnd(0, image.size()) == image.size();
        } catch (VmckptException e) {
            LOG.warn("{}: {}", path, e.getMessage());
            return false;
        }
    }
}
