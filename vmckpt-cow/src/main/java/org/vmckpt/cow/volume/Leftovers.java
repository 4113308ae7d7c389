package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Puts in order what a process left that was killed: records a fork that it had not, and removes
 * layers that were prepared and never used, and those that had been folded. Whatever holds data and
 * is not known to be folded stays.
 */
final class Leftovers {
    private static final Logger LOG = LoggerFactory.getLogger(Leftovers.class);

    private final VolumeFolder folder;
    private final DescriptionFile file;

    Leftovers(VolumeFolder folder, DescriptionFile file) {
        this.folder = folder;
        this.file = file;
    }

    /** Returns what is so afterwards. On a full disk the file may still say what was before. */
    VolumeDescription settle() throws IOException {
        VolumeDescription description = UnrecordedFork.decide(folder, file.written());
        // Before any file is deleted that it named.
        if (!write(description)) {
            return description;
        }
        for (Path unlisted : folder.unlisted(description)) {
            remove(unlisted, description);
        }
        VolumeDescription clean = description.withFoldedDeleted();
        return write(clean) ? clean : description;
    }

    private boolean write(VolumeDescription description) {
        try {
            file.write(description);
            return true;
        } catch (IOException e) {
            LOG.warn("volume {}: what was left there stays: {}", folder.path(), e.toString());
            return false;
        }
    }

    private static void remove(Path layer, VolumeDescription description) throws IOException {
        boolean folded = description.folded().contains(layer.getFileName().toString());
        if (folded || UnrecordedFork.isUnused(layer)) {
            Files.delete(layer);
            LoggedFile.deleteFor(layer);
        } else {
            LOG.warn("{} belongs to no layer and holds data; it is left there", layer);
        }
    }
}
