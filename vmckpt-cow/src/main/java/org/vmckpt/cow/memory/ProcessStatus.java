package org.vmckpt.cow.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** What /proc tells about a process. */
final class ProcessStatus {
    private ProcessStatus() {}

    /** The process that traces this one, if any. */
    static Optional<Long> tracerPid(long pid) {
        try {
            return Files.readAllLines(Path.of("/proc", Long.toString(pid), "status")).stream()
                    .filter(line -> line.startsWith("TracerPid:"))
                    .map(line -> Long.valueOf(line.substring("TracerPid:".length()).strip()))
                    .filter(tracer -> tracer != 0)
                    .findFirst();
        } catch (IOException gone) {
            return Optional.empty();
        }
    }

    /** The short name of a process, or {@code ?} when it is gone. */
    static String nameOf(long pid) {
        try {
            return Files.readString(Path.of("/proc", Long.toString(pid), "comm")).strip();
        } catch (IOException gone) {
            return "?";
        }
    }
}
