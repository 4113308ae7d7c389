package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.VmckptException;

/**
 * Translates file names of a QEMU process.
 *
 * @param workingDirectory what its relative names refer to, in its own view
 * @param root where its root folder is in our view
 * @param process its folder in /proc
 */
record QemuFiles(Path workingDirectory, Path root, Path process) {

    static QemuFiles of(long qemuPid) throws VmckptException {
        Path process = Path.of("/proc", Long.toString(qemuPid));
        try {
            Path root = Files.readSymbolicLink(process.resolve("root"));
            Path cwd = Files.readSymbolicLink(process.resolve("cwd"));
            return new QemuFiles(
                    cwd.startsWith(root) ? Path.of("/").resolve(root.relativize(cwd)) : cwd,
                    root,
                    process);
        } catch (IOException e) {
            throw new NotFoundException(
                    "looking for the files of QEMU process "
                            + qemuPid
                            + ": cannot read its root and cwd in /proc ("
                            + e
                            + "); run as root or as the user that QEMU runs as",
                    e);
        }
    }

    /** The absolute path of a file that QEMU names. */
    Path absolute(String filename) {
        String path = filename.startsWith("file:") ? filename.substring(5) : filename;
        return workingDirectory.resolve(path).normalize();
    }

    /** Where this process finds a file that QEMU calls {@code absolute}. */
    Path host(Path absolute) {
        return root.resolve(Path.of("/").relativize(absolute)).normalize();
    }

    /** Whether QEMU and this process mean the same file: mount namespaces can differ. */
    boolean isSeenByQemu(Path absolute) {
        Path throughQemu = process.resolve("root").resolve(Path.of("/").relativize(absolute));
        try {
            return Files.isSameFile(host(absolute), throughQemu);
        } catch (IOException e) {
            return false;
        }
    }
}
