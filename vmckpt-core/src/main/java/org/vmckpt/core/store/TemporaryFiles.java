package org.vmckpt.core.store;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.StorageException;

/** Where one store object writes files before they get their names; made with the first of them. */
final class TemporaryFiles implements AutoCloseable {
    private final StoreDirectory directory;

    /** Guarded by this object. */
    private @Nullable TemporaryFolder folder;

    TemporaryFiles(StoreDirectory directory) {
        this.directory = directory;
    }

    /** A path at which there is no file yet. */
    Path next() throws StorageException {
        return folder().newFile();
    }

    synchronized TemporaryFolder folder() throws StorageException {
        TemporaryFolder made = folder;
        if (made == null) {
            deleteDead(false);
            try {
                made = TemporaryFolder.create(directory.temporary());
            } catch (IOException e) {
                throw directory.failure("create a temporary folder", directory.temporary(), e);
            }
            folder = made;
        }
        return made;
    }

    /**
     * Deletes what dead writers left.
     *
     * @param alone whether the store is locked exclusively
     * @return how many
     */
    int deleteDead(boolean alone) throws StorageException {
        try {
            return TemporaryFolder.deleteDead(directory.temporary(), alone);
        } catch (IOException e) {
            throw directory.failure("clean temporary files", directory.temporary(), e);
        }
    }

    @Override
    public synchronized void close() {
        if (folder != null) {
            folder.close();
            folder = null;
        }
    }
}
