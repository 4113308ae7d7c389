package org.vmckpt.cow.hook;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/**
 * The executables of a folder. They run with our rights, so nobody else may be able to put one
 * there or to change one.
 */
final class HookFolder {
    /** Also keeps out what editors and dpkg leave beside a file. */
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]*");

    private static final Pattern LEFT = Pattern.compile(".*\\.(dpkg-[a-z]+|bak|orig|swp)");

    private static final int WORLD_WRITABLE = 0002;
    private static final int EXECUTABLE = 0111;
    private static final int ROOT = 0;

    private HookFolder() {}

    /** In the order of their names; files that are not executable are left out. */
    static List<Path> executables(Path folder, boolean required) throws VmckptException {
        if (!Files.isDirectory(folder)) {
            if (required) {
                throw new NotFoundException(
                        "run hooks: " + folder + " is no folder; make it, or name another");
            }
            return List.of();
        }
        requireSafe(folder);
        List<Path> found = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
            for (Path entry : entries) {
                if (isHook(entry)) {
                    found.add(entry);
                }
            }
        } catch (IOException e) {
            throw unreadable(folder, e);
        }
        found.sort(null);
        for (Path hook : found) {
            requireSafe(hook);
        }
        return found;
    }

    private static boolean isHook(Path entry) throws IOException {
        String name = entry.getFileName().toString();
        return NAME.matcher(name).matches()
                && !LEFT.matcher(name).matches()
                && Files.isRegularFile(entry)
                && ((Integer) Files.getAttribute(entry, "unix:mode") & EXECUTABLE) != 0;
    }

    /** Of a symbolic link, what it leads to: the link itself is as safe as its folder. */
    private static void requireSafe(Path path) throws VmckptException {
        Map<String, Object> attributes;
        try {
            attributes = Files.readAttributes(path, "unix:mode,uid");
        } catch (IOException e) {
            throw unreadable(path, e);
        }
        int mode = (Integer) attributes.getOrDefault("mode", WORLD_WRITABLE);
        int owner = (Integer) attributes.getOrDefault("uid", -1);
        if ((mode & WORLD_WRITABLE) != 0) {
            throw new RefusedException(
                    "run hooks: everybody can write "
                            + path
                            + ", and what is in it would run with our rights; chmod o-w it");
        }
        if (owner != ROOT && !ownUid().equals(Optional.of(owner))) {
            throw new RefusedException(
                    "run hooks: "
                            + path
                            + " belongs to user "
                            + owner
                            + ", and what is in it would run with our rights; chown it to root");
        }
    }

    private static Optional<Integer> ownUid() {
        try {
            return Optional.of((Integer) Files.getAttribute(Path.of("/proc/self"), "unix:uid"));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static StorageException unreadable(Path path, IOException e) {
        return new StorageException("run hooks: cannot look at " + path + ": " + e, e);
    }
}
