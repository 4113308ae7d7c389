package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.vmckpt.core.StorageException;

/** Makes files and their names survive a crash of the host. */
final class FileSync {
    private FileSync() {}

    static void file(Path file) throws StorageException {
        sync(file);
    }

    /** The folder's entry for a file that was made in it. */
    static void folderOf(Path file) throws StorageException {
        sync(file.toAbsolutePath().resolveSibling(""));
    }

    private static void sync(Path path) throws StorageException {
        // Linux syncs through a descriptor that is open for reading, too.
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException e) {
            throw new StorageException("writing " + path + " to its device: " + e, e);
        }
    }
}
