package org.vmckpt.cow.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;

/** Where locks and sockets live: {@code /run/vmckpt}, or a folder of the user who may not. */
public final class RuntimeFolder {
    private RuntimeFolder() {}

    public static Path path() {
        Path run = Path.of("/run");
        return Files.isWritable(run)
                ? run.resolve("vmckpt")
                : Path.of(System.getProperty("java.io.tmpdir"))
                        .resolve("vmckpt-" + System.getProperty("user.name"));
    }
}
