package org.vmckpt.cow.rollback;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.vmckpt.core.RefusedException;

/**
 * A process that is known again, also when its number went to another one.
 *
 * @param startTicks when it started, as the kernel counts since the boot; -1 if it had ended
 */
record RunningProcess(long pid, long startTicks) {
    private static final int POLL_MILLIS = 5;

    /** Of the fields behind the name, which is in parentheses; see proc_pid_stat(5). */
    private static final int STATE = 0;

    private static final int START_TIME = 19;

    static RunningProcess of(long pid) {
        return new RunningProcess(pid, startOf(pid));
    }

    boolean isAlive() {
        return startTicks >= 0 && startOf(pid) == startTicks;
    }

    private static long startOf(long pid) {
        try {
            Path file = Path.of("/proc", Long.toString(pid), "stat");
            String stat = Files.readString(file, StandardCharsets.ISO_8859_1);
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
            return fields[STATE].equals("Z") ? -1 : Long.parseLong(fields[START_TIME]);
        } catch (IOException e) {
            return -1;
        }
    }

    /** Ends it at once, and waits for that. */
    void kill(Duration patience) throws RefusedException {
        Optional<ProcessHandle> process = ProcessHandle.of(pid);
        if (!isAlive() || process.isEmpty()) {
            return;
        }
        process.get().destroyForcibly();
        long deadline = System.nanoTime() + patience.toNanos();
        try {
            while (isAlive()) {
                if (System.nanoTime() > deadline) {
                    throw new RefusedException(
                            "ending QEMU (pid %d): it outlives SIGKILL".formatted(pid));
                }
                Thread.sleep(POLL_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RefusedException("interrupted while QEMU was ending", e);
        }
    }
}
