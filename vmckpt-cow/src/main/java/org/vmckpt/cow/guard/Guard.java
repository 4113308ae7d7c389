package org.vmckpt.cow.guard;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;

/** Our end of the pipe to the guard process. */
public final class Guard implements AutoCloseable {
    private static final Duration START_LIMIT = Duration.ofSeconds(30);
    private static final Duration END_LIMIT = Duration.ofSeconds(5);

    private final Process process;
    private final OutputStream pipe;
    private final CompletableFuture<Boolean> ready;

    private Guard(Process process) {
        this.process = process;
        this.pipe = process.getOutputStream();
        this.ready = CompletableFuture.supplyAsync(this::readReady, Thread::startVirtualThread);
    }

    /**
     * Starts the process, in a session of its own so that no signal to ours reaches it. It is of
     * use only after {@link #awaitReady}.
     *
     * @param undoLine QMP command that puts the guest's migration capabilities back
     * @param folder holds temporary sockets; the guard removes it if we cannot
     */
    public static Guard start(Path qmpSocket, String undoLine, Path folder) throws VmckptException {
        List<String> command =
                List.of(
                        "setsid",
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-Xshare:auto",
                        "-Xmx16m",
                        "-cp",
                        ownClassPath(),
                        GuardMain.class.getName(),
                        qmpSocket.toAbsolutePath().toString(),
                        undoLine,
                        folder.toString());
        try {
            return new Guard(
                    new ProcessBuilder(command)
                            .redirectError(ProcessBuilder.Redirect.DISCARD)
                            .start());
        } catch (IOException e) {
            throw new RefusedException(
                    "starting the guard process that would resume the guest if this one died: "
                            + e.getMessage()
                            + "; the guest was not paused",
                    e);
        }
    }

    private static String ownClassPath() {
        try {
            return Path.of(
                            GuardMain.class
                                    .getProtectionDomain()
                                    .getCodeSource()
                                    .getLocation()
                                    .toURI())
                    .toString();
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private boolean readReady() {
        try {
            BufferedReader in =
                    new BufferedReader(
                            new InputStreamReader(
                                    process.getInputStream(), StandardCharsets.UTF_8));
            return GuardMain.READY.equals(in.readLine());
        } catch (IOException e) {
            return false;
        }
    }

    public void awaitReady() throws VmckptException {
        boolean started;
        try {
            started = ready.get(START_LIMIT.toSeconds(), TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            started = false;
        } catch (ExecutionException | TimeoutException e) {
            started = false;
        }
        if (!started) {
            throw new RefusedException(
                    "starting the guard process that would resume the guest if this one died: it"
                            + " did not come up; the guest was not paused");
        }
    }

    /**
     * Says that the guest is about to be paused by us. Fails, before the pause, without a guard.
     */
    public void pausing() throws VmckptException {
        try {
            send(GuardMain.PAUSED);
        } catch (IOException e) {
            throw new RefusedException(
                    "the guard process that would resume the guest if this one died is gone; the"
                            + " guest was not paused",
                    e);
        }
    }

    /** Says that the guest runs again. */
    public void resumed() {
        try {
            send(GuardMain.RUNNING);
        } catch (IOException e) {
            // The guard is gone, and with it the only one who could act on what we did not say.
        }
    }

    private void send(int state) throws IOException {
        pipe.write(state);
        pipe.flush();
    }

    @Override
    public void close() {
        try {
            send(GuardMain.DONE);
            pipe.close();
            if (!process.waitFor(END_LIMIT.toSeconds(), TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (IOException e) {
            process.destroyForcibly();
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
