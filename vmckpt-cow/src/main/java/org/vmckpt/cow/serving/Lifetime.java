package org.vmckpt.cow.serving;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.vmckpt.core.NotFoundException;

/** How long a server is needed: until it is told to end, or as long as some process lives. */
final class Lifetime {
    private volatile Optional<ProcessHandle> process = Optional.empty();

    /** From now on this process counts alone. */
    void endWith(long pid) throws NotFoundException {
        process =
                Optional.of(
                        ProcessHandle.of(pid)
                                .orElseThrow(() ->
                                        new NotFoundException(
                                                "ending with process "
                                                        + pid
                                                        + ": there is no such process")));
    }

    boolean isOver() {
        return process.filter(it -> !it.isAlive() || isZombie(it.pid())).isPresent();
    }

    /** It has ended, and whoever started it has not asked how. */
    private static boolean isZombie(long pid) {
        try {
            String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
            // The name before it is in parentheses, and may have any character.
            return stat.startsWith(" Z", stat.lastIndexOf(')') + 1);
        } catch (IOException e) {
            return true;
        }
    }
}
