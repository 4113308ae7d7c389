package org.vmckpt.cow.restore;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/** Runs a short program to its end. */
final class Command {
    /** QEMU's tools answer at once; this only bounds a hanging file system. */
    private static final int TIMEOUT_SECONDS = 60;

    private Command() {}

    /** Returns what it printed. An exit code other than zero is an error with that text in it. */
    static String run(List<String> command) throws VmckptException {
        String name = String.join(" ", command);
        try {
            Path output = Files.createTempFile("vmckpt-", ".out");
            try {
                Process process =
                        new ProcessBuilder(command)
                                .redirectErrorStream(true)
                                .redirectInput(Path.of("/dev/null").toFile())
                                .redirectOutput(output.toFile())
                                .start();
                if (!process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
                    process.destroyForcibly();
                    throw new TransportException(
                            "%s did not end within %d s".formatted(name, TIMEOUT_SECONDS));
                }
                String printed = Files.readString(output, StandardCharsets.UTF_8).strip();
                if (process.exitValue() != 0) {
                    throw new StorageException(
                            "%s failed with exit code %d: %s"
                                    .formatted(name, process.exitValue(), printed));
                }
                return printed;
            } finally {
                Files.deleteIfExists(output);
            }
        } catch (IOException e) {
            throw new StorageException("cannot run %s: %s".formatted(name, e.getMessage()), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TransportException("interrupted while running " + name, e);
        }
    }
}
