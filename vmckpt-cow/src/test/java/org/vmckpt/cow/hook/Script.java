package org.vmckpt.cow.hook;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/** Hooks that are written for a test. */
public final class Script {
    private Script() {}

    /** An executable of the shell. */
    public static Path write(Path folder, String name, String text) throws IOException {
        Files.createDirectories(folder);
        Path file = Files.writeString(folder.resolve(name), "#!/bin/sh\n" + text + "\n");
        return mode(file, "rwxr-xr-x");
    }

    static Path mode(Path file, String mode) throws IOException {
        return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(mode));
    }
}
