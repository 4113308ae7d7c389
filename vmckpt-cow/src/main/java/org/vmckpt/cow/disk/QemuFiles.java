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
 */
record QemuFiles(Path workingDirectory, Path root) {

    static QemuFiles of(long qemuPid) throws VmckptException {
        Path process = Path.of("/proc", Long.toString(qemuPid));
        try {
            Path rootLink = Files.readSymbolicLink(process.resolve("root"));
            Path cwd = Files.readSymbolicLink(process.resolve("cwd"));
            boolean sameView =
                    Files.readSymbolicLink(process.resolve("ns/mnt"))
                            .equals(Files.readSymbolicLink(Path.of("/proc/self/ns/mnt")));
            return new QemuFiles(
                    sameView && cwd.startsWith(rootLink)
                            ? Path.of("/").resolve(rootLink.relativize(cwd))
                            : cwd,
                    sameView ? rootLink : process.resolve("root"));
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
        return root.equals(Path.of("/"))
                ? absolute
                : root.resolve(Path.of("/").relativize(absolute));
    }
}
