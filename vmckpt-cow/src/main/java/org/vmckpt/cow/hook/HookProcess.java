package org.vmckpt.cow.hook;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.ProcessGroup;

/**
 * An executable that runs, in a session of its own, so that it can be killed with its children.
 * Nothing of a message is on its command line but the event.
 */
final class HookProcess {
    private static final Map<String, String> ENVIRONMENT =
            Map.of(
                    "PATH",
                    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "HOME",
                    "/",
                    "LANG",
                    "C.UTF-8");

    private static final long NAP_MILLIS = 20;

    /** For what was printed right before the end. */
    private static final long LAST_WORDS_MILLIS = 200;

    private final Path file;
    private final Process process;
    private final HookOutput output;

    private HookProcess(Path file, Process process) {
        this.file = file;
        this.process = process;
        this.output = HookOutput.read(process.getInputStream(), file.getFileName().toString());
    }

    static HookProcess start(Path file, HookMessage message) throws VmckptException {
        ProcessBuilder builder =
                new ProcessBuilder(List.of("setsid", file.toString(), message.event().text()))
                        .directory(Path.of("/").toFile())
                        .redirectErrorStream(true);
        builder.environment().clear();
        builder.environment().putAll(ENVIRONMENT);
        builder.environment().putAll(message.environment());
        try {
            return new HookProcess(file, builder.start());
        } catch (IOException e) {
            throw new RefusedException("run hook " + file + ": " + e.getMessage(), e);
        }
    }

    Path file() {
        return file;
    }

    HookOutput output() {
        return output;
    }

    /** A hook need not read what it is told. */
    void tell(String line) {
        try {
            OutputStream input = process.getOutputStream();
            input.write((line + "\n").getBytes(StandardCharsets.UTF_8));
            input.flush();
        } catch (IOException e) {
            // It has closed its input, or has ended: its exit code tells.
        }
    }

    void endInput() {
        try {
            process.getOutputStream().close();
        } catch (IOException e) {
            // As above.
        }
    }

    /**
     * Waits for its end, and kills it when it takes too long or nobody wants it any more.
     *
     * @return what it printed
     * @throws RefusedException when it was killed, or ended with another code than 0
     */
    String await(Duration limit, BooleanSupplier unwanted) throws RefusedException {
        long deadline = System.nanoTime() + limit.toNanos();
        try {
            while (!process.waitFor(NAP_MILLIS, TimeUnit.MILLISECONDS)) {
                if (unwanted.getAsBoolean()) {
                    throw killed("was killed: the work that it belongs to was cancelled");
                }
                if (System.nanoTime() > deadline) {
                    throw killed("did not end within " + limit.toMillis() + " ms and was killed");
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw killed("was killed: interrupted");
        }
        String printed = output.awaitText(LAST_WORDS_MILLIS);
        if (process.exitValue() != 0) {
            throw failure("ended with exit code " + process.exitValue(), printed);
        }
        return printed;
    }

    private RefusedException killed(String how) {
        kill();
        return failure(how, output.awaitText(LAST_WORDS_MILLIS));
    }

    private RefusedException failure(String how, String printed) {
        return new RefusedException(
                "hook "
                        + file
                        + " "
                        + how
                        + (printed.isEmpty()
                                ? "; it printed nothing"
                                : "; it printed: " + printed));
    }

    /** With all that it started, also what has left its session. */
    void kill() {
        List<ProcessHandle> all = process.descendants().toList();
        ProcessGroup.kill(process.pid());
        process.destroyForcibly();
        all.forEach(ProcessHandle::destroyForcibly);
    }
}
