package org.vmckpt.cow.volume;

import java.io.IOException;
import java.util.Map;
import java.util.Set;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.volume.VolumeDescription.LayerFile;

/** Who needs which layers of an open volume, as files. */
final class Holds {
    private final VolumeFolder folder;

    /** Held while a commit chooses a layer, and takes one off the list. */
    private final Object committing;

    Holds(VolumeFolder folder, Object committing) {
        this.folder = folder;
        this.committing = committing;
    }

    /**
     * Nobody folds a layer, nor those below, until the owner's holds are removed. Quick if it is so
     * already.
     *
     * @param endCommit called while no other commit can begin
     */
    void add(LayerFile layer, String owner, Runnable endCommit) throws VmckptException {
        if (!VolumeFolder.isName(owner)) {
            throw new RefusedException(
                    "forking volume " + folder.path() + ": no hold may be called '" + owner + "'");
        }
        if (folder.isHeldBy(layer, owner)) {
            return;
        }
        synchronized (committing) {
            endCommit.run();
            try {
                folder.addHold(layer, owner);
            } catch (IOException e) {
                throw new StorageException("forking volume " + folder.path() + ": " + e, e);
            }
        }
    }

    /** By layer. */
    Map<String, Set<String>> all() throws VmckptException {
        try {
            return folder.holds();
        } catch (IOException e) {
            throw new StorageException("reading volume " + folder.path() + ": " + e, e);
        }
    }
}
