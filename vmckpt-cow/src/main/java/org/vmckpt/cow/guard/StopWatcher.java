package org.vmckpt.cow.guard;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.locks.LockSupport;

/**
 * Ends a process that was stopped (Ctrl-Z, SIGSTOP) while it serves a guest: the guest's writes
 * wait for it, and only its death lets them go. Whoever stops it may mean to wake it soon, so it
 * gets a moment.
 */
final class StopWatcher implements Runnable {
    private static final long INTERVAL_NANOS = 100_000_000L;
    private static final int PATIENCE_INTERVALS = 5;

    private final ProcessHandle watched;

    private StopWatcher(ProcessHandle watched) {
        this.watched = watched;
    }

    static void watch(ProcessHandle process) {
        Thread.ofPlatform().name("vmckpt-stop-watch").daemon().start(new StopWatcher(process));
    }

    @Override
    public void run() {
        int stopped = 0;
        while (watched.isAlive() && stopped < PATIENCE_INTERVALS) {
            LockSupport.parkNanos(INTERVAL_NANOS);
            stopped = isStopped() ? stopped + 1 : 0;
        }
        watched.destroyForcibly();
    }

    /** The state follows the command, which may hold any character, in parentheses. */
    private boolean isStopped() {
        try {
            Path stat = Path.of("/proc", Long.toString(watched.pid()), "stat");
            String line = Files.readString(stat, StandardCharsets.ISO_8859_1);
            return line.startsWith(" T", line.lastIndexOf(')') + 1);
        } catch (IOException e) {
            return false;
        }
    }
}
