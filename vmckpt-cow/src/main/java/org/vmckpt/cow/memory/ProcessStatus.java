package org.vmckpt.cow.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** What /proc tells about a process. */
public final class ProcessStatus {
    private ProcessStatus() {}

    /** A line of {@code /proc/PID/status} without its name; empty when the process is gone. */
    public static Optional<String> field(long pid, String name) {
        return field(lines(pid), name);
    }

    private static Optional<String> field(List<String> status, String name) {
        return status.stream()
                .filter(line -> line.startsWith(name + ":"))
                .map(line -> line.substring(name.length() + 1).strip())
                .findFirst();
    }

    private static List<String> lines(long pid) {
        try {
            return Files.readAllLines(Path.of("/proc", Long.toString(pid), "status"));
        } catch (IOException gone) {
            return List.of();
        }
    }

    /** Whether a process is gone, or only its parent's question for its end is left of it. */
    static boolean hasEnded(long pid) {
        return hasEnded(lines(pid));
    }

    /** A first thread may have ended while others still use the process's memory. */
    static boolean hasEnded(List<String> status) {
        boolean firstEnded = field(status, "State").filter(s -> !s.startsWith("Z")).isEmpty();
        return firstEnded && field(status, "Threads").filter(n -> !n.equals("1")).isEmpty();
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
