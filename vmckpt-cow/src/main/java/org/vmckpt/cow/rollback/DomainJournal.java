package org.vmckpt.cow.rollback;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.RuntimeFolder;

/**
 * What to do if the rollback of a domain ends now, as a file. It is there from before the old guest
 * is ended until libvirt has the new one. Paths are texts, for JSON.
 *
 * @param old the QEMU that is replaced: as long as it lives nothing has been done
 * @param definition of the new one
 * @param memory the file from which libvirt restores it
 * @param disks the folder of its disks, which has that file too
 * @param store of the checkpoints
 * @param safety the checkpoint that was taken of the old guest just before
 */
record DomainJournal(
        String uri,
        String name,
        String uuid,
        RunningProcess old,
        String definition,
        String memory,
        String disks,
        String store,
        String safety) {
    private static final String PREFIX = "domain-rollback-";

    /** In a folder that a reboot empties, as it ends all guests. */
    static Path of(String uuid) throws StorageException {
        Path folder = RuntimeFolder.path();
        try {
            Files.createDirectories(folder);
            return folder.resolve(PREFIX + uuid + ".json");
        } catch (IOException e) {
            throw new StorageException("rollback: making the folder " + folder + ": " + e, e);
        }
    }

    static boolean isOne(Path file) {
        return file.getFileName().toString().startsWith(PREFIX);
    }

    /** When this returns it is durable. */
    void write(Path file) throws StorageException {
        JournalFile.write(file, this);
    }

    /** Empty if there is none: nothing was begun, or all is done. */
    static Optional<DomainJournal> read(Path file) throws VmckptException {
        return JournalFile.read(file, DomainJournal.class);
    }
}
