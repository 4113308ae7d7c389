package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.vmckpt.core.StorageException;

/**
 * A file that QEMU writes a guest's device state into. It holds secrets of the guest, so nobody but
 * QEMU's user may read it.
 */
public final class StateFile {
    private StateFile() {}

    /**
     * Creates it, empty.
     *
     * @param folder whose owner QEMU runs as
     */
    public static Path create(Path folder, String name) throws StorageException {
        Path file = folder.resolve(name);
        try {
            Files.createFile(
                    file,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rw-------")));
            Files.setOwner(file, Files.getOwner(folder));
            return file;
        } catch (IOException e) {
            throw new StorageException("creating " + file + " for the device state: " + e, e);
        }
    }

    /** Deletes it, if it is there. */
    public static void delete(Path file) throws StorageException {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new StorageException("deleting " + file + ": " + e + "; delete it by hand", e);
        }
    }
}
