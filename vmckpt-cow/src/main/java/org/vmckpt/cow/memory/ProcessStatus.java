package org.vmckpt.cow.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** What /proc tells about a process. */
public final class ProcessStatus {
    private ProcessStatus() {}

    /** A line of {@code /proc/PID/status} without its name; empty when the process is gone. */
    public static Optional<String> field(long pid, String name) {
        try {
            return Files.readAllLines(Path.of("/proc", Long.toString(pid), "status")).stream()
                    .filter(line -> line.startsWith(name + ":"))
                    .map(line -> line.substring(name.length() + 1).strip())
                    .findFirst();
        } catch (IOException gone) {
            return Optional.empty();
        }
    }

    /** Whether a process is gone, or only its parent's question for its end is left of it. */
    static boolean hasEnded(long pid) {
        return field(pid, "State").filter(state -> !state.startsWith("Z")).isEmpty();
    }

    /** The process that traces this one, if any. */
    static Optional<Long> tracerPid(long pid) {
        return field(pid, "TracerPid").map(Long::valueOf).filter(tracer -> tracer != 0);
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
