package org.vmckpt.cow.restore;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.definition.Origin;

/** A QEMU that this process has started, in a session of its own so that it outlives us. */
final class QemuProcess implements AutoCloseable {
    private static final int POLL_MILLIS = 5;

    /** QEMU's last words are enough for an error; the whole log is in the file. */
    private static final int LOG_TAIL_LINES = 8;

    /** A QEMU that gives up closes its sockets first, and ends a moment later. */
    private static final int LAST_WORDS_MILLIS = 300;

    /** A killed process is gone within milliseconds; this bounds one stuck in the kernel. */
    private static final int KILL_SECONDS = 10;

    /** What QEMU creates, such as a memory file or a serial log, holds the guest's data. */
    private static final String START_WITH_PRIVATE_FILES = "umask 077 && exec \"$@\"";

    private final Process process;
    private final Path logPath;
    private final Thread killer;
    private boolean released;

    private QemuProcess(Process process, Path logPath) {
        this.process = process;
        this.logPath = logPath;
        this.killer = new Thread(process::destroyForcibly, "kill-half-restored-qemu");
        Runtime.getRuntime().addShutdownHook(killer);
    }

    static QemuProcess start(
            Path binary,
            List<String> arguments,
            Path workingDirectory,
            Path logPath,
            CheckpointId origin,
            Map<String, String> environment)
            throws StorageException {
        List<String> command =
                new ArrayList<>(List.of("setsid", "sh", "-c", START_WITH_PRIVATE_FILES, "sh"));
        command.add(binary.toString());
        command.addAll(arguments);
        try {
            createLog(logPath);
            ProcessBuilder builder = new ProcessBuilder(command);
            Origin.note(origin, builder.environment());
            builder.environment().putAll(environment);
            Process process =
                    builder.directory(workingDirectory.toFile())
                            .redirectInput(Path.of("/dev/null").toFile())
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.appendTo(logPath.toFile()))
                            .start();
            return new QemuProcess(process, logPath);
        } catch (IOException e) {
            throw new StorageException(
                    "restore cannot start %s through setsid (package util-linux): %s"
                            .formatted(binary, e.getMessage()),
                    e);
        }
    }

    /** The guest's console may go there: nobody else may read it. */
    private static void createLog(Path logPath) throws IOException {
        Files.createFile(
                logPath,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    }

    /** setsid makes a session, then becomes the shell and QEMU: no process lies in between. */
    long pid() {
        return process.pid();
    }

    /** Waits until QEMU listens on its QMP socket. */
    QmpClient connect(Path qmpPath, Duration timeout) throws VmckptException {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (true) {
            if (!process.isAlive()) {
                throw new TransportException(
                        "QEMU ended with exit code %d".formatted(process.exitValue()));
            }
            if (Files.exists(qmpPath)) {
                try {
                    return QmpClient.connect(qmpPath, timeout);
                } catch (NotFoundException e) {
                    // Bound and not yet listening: the next round finds it.
                }
            }
            if (System.nanoTime() > deadline) {
                throw new TransportException(
                        "QEMU did not listen on %s within %d ms"
                                .formatted(qmpPath, timeout.toMillis()));
            }
            sleep();
        }
    }

    private static void sleep() throws TransportException {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TransportException("interrupted while QEMU was starting", e);
        }
    }

    /** The last lines that QEMU printed; empty when it printed nothing. */
    String lastWords() {
        try {
            process.waitFor(LAST_WORDS_MILLIS, TimeUnit.MILLISECONDS);
            List<String> lines =
                    new String(Files.readAllBytes(logPath), StandardCharsets.UTF_8)
                            .lines()
                            .toList();
            return String.join(
                    "\n", lines.subList(Math.max(0, lines.size() - LOG_TAIL_LINES), lines.size()));
        } catch (IOException e) {
            return "";
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "";
        }
    }

    /** From now on closing, and the end of this process, leave QEMU running. */
    void release() {
        released = true;
        try {
            Runtime.getRuntime().removeShutdownHook(killer);
        } catch (IllegalStateException e) {
            // This process is ending already: the restore ends with it.
        }
    }

    @Override
    public void close() {
        if (released) {
            return;
        }
        release();
        process.destroyForcibly();
        try {
            process.waitFor(KILL_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
