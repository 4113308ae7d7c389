package org.vmckpt.cow.guard;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.FdChannel;
import org.vmckpt.cow.linux.PidFd;
import org.vmckpt.cow.linux.ThreadPriority;

/** Our end of the pipe to the guard process. */
public final class Guard implements AutoCloseable {
    private static final int STARTING_NICENESS = 10;

    /** {@link ThreadPriority#trySetNicenessOfSession} from the first moment on. */
    private static final String START_BEHIND_OTHERS =
            "{ echo %d >/proc/self/autogroup; } 2>/dev/null; exec \"$@\""
                    .formatted(STARTING_NICENESS);

    // As urgent as what it takes over.
    private static final int READY_NICENESS = -5;
    // Without the privilege for that.
    private static final int USUAL_NICENESS = 0;

    private static final Duration START_LIMIT = Duration.ofSeconds(30);
    private static final Duration ANSWER_LIMIT = Duration.ofSeconds(2);
    private static final Duration END_LIMIT = Duration.ofSeconds(5);

    private final Process process;
    private final OutputStream pipe;
    private final BufferedReader answers;
    private final BufferedReader news;
    private final CompletableFuture<Boolean> ready;

    private int lastSent = GuardMain.RUNNING;
    private boolean frozen;

    private Guard(Process process) {
        this.process = process;
        this.pipe = process.getOutputStream();
        this.answers = process.inputReader(StandardCharsets.UTF_8);
        this.news = process.errorReader(StandardCharsets.UTF_8);
        this.ready = expect(GuardMain.READY);
    }

    /**
     * Starts the process, in a session of its own so that no signal to ours reaches it. It is of
     * use only after {@link #awaitReady}.
     *
     * @param monitor QEMU's pid and the path of its QMP socket with a colon between them, or {@link
     *     GuardMain#LIBVIRT} and what it takes to find a domain
     * @param undoLines QMP commands, one a line, that put the guest's migration settings back
     * @param folder holds temporary sockets; the guard removes it if we cannot
     * @param keptSocket where the guard listens, and keeps the connection, if any
     */
    public static Guard start(
            String monitor, String undoLines, Path folder, Optional<Path> keptSocket)
            throws VmckptException {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                "setsid",
                                "sh",
                                "-c",
                                START_BEHIND_OTHERS,
                                "sh",
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-XX:+UseSerialGC",
                                "-XX:TieredStopAtLevel=1",
                                "-XX:-UsePerfData",
                                monitor.startsWith(GuardMain.LIBVIRT) ? "-Xmx32m" : "-Xmx16m",
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                GuardMain.class.getName(),
                                monitor,
                                undoLines,
                                folder.toString()));
        keptSocket.ifPresent(socket -> command.add(socket.toString()));
        try {
            Process process =
                    new ProcessBuilder(command)
                            .redirectError(
                                    keptSocket.isPresent()
                                            ? ProcessBuilder.Redirect.PIPE
                                            : ProcessBuilder.Redirect.DISCARD)
                            .start();
            // The start of a JVM takes a processor for a while that the guest may want. Not the
            // session: it may be ours still.
            ThreadPriority.trySetNicenessOfProcess(process.pid(), STARTING_NICENESS);
            return new Guard(process);
        } catch (IOException e) {
            throw new RefusedException(
                    "starting the guard process that would resume the guest if this one died: "
                            + e.getMessage()
                            + "; the guest was not paused",
                    e);
        }
    }

    private CompletableFuture<Boolean> expect(String line) {
        return CompletableFuture.supplyAsync(
                () -> {
                    try {
                        return line.equals(answers.readLine());
                    } catch (IOException e) {
                        return false;
                    }
                },
                Thread::startVirtualThread);
    }

    public boolean isAlive() {
        return process.isAlive();
    }

    public void awaitReady() throws VmckptException {
        if (!await(ready, START_LIMIT)) {
            throw new RefusedException(
                    "starting the guard process that would resume the guest if this one died: it"
                            + " did not come up; the guest was not paused");
        }
        if (!ThreadPriority.trySetNicenessOfSession(process.pid(), READY_NICENESS)) {
            ThreadPriority.trySetNicenessOfSession(process.pid(), USUAL_NICENESS);
        }
    }

    private static boolean await(CompletableFuture<Boolean> answer, Duration limit) {
        try {
            return answer.get(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        } catch (ExecutionException | TimeoutException e) {
            return false;
        }
    }

    /**
     * The connection that QEMU has made to the kept socket, once, as soon as there is one. It is a
     * copy: as long as one of the two processes lives, it does not break.
     */
    public Optional<FdChannel> pollConnection() throws VmckptException {
        try {
            while (news.ready()) {
                String line = String.valueOf(news.readLine());
                if (line.startsWith(StreamKeeper.CONNECTED)) {
                    int number = Integer.parseInt(line.substring(StreamKeeper.CONNECTED.length()));
                    try (PidFd guard = PidFd.open(process.pid())) {
                        return Optional.of(new FdChannel(guard.getfd(number)));
                    }
                }
            }
            return Optional.empty();
        } catch (IOException e) {
            throw new RefusedException(
                    "checkpoint: the guard process ("
                            + process.pid()
                            + ") cannot hand over QEMU's connection: "
                            + e.getMessage()
                            + "; take the checkpoint again",
                    e);
        }
    }

    /**
     * Says that the guest is about to be paused by us, and waits until the guard has heard it.
     * Fails, before the pause, when the guard is gone or does not run.
     */
    public void pausing() throws VmckptException {
        try {
            CompletableFuture<Boolean> heard = expect(GuardMain.HEARD);
            send(GuardMain.PAUSED);
            if (await(heard, ANSWER_LIMIT)) {
                return;
            }
        } catch (IOException e) {
            // A closed pipe is a guard that has ended.
        }
        throw lost("not paused");
    }

    private RefusedException lost(String whatNot) {
        process.destroyForcibly();
        return new RefusedException(
                "checkpoint: the guard process that would resume the guest if this one died ("
                        + process.pid()
                        + ") was killed or does not answer within "
                        + ANSWER_LIMIT.toMillis()
                        + " ms; the guest was "
                        + whatNot
                        + "; take the checkpoint again");
    }

    /** The same for its file systems: the guard lets them go on if we die. */
    public void freezing(Path agentSocket) throws VmckptException {
        try {
            CompletableFuture<Boolean> heard = expect(GuardMain.HEARD);
            String line = (char) GuardMain.FREEZING + agentSocket.toString() + "\n";
            pipe.write(line.getBytes(StandardCharsets.UTF_8));
            pipe.flush();
            if (await(heard, ANSWER_LIMIT)) {
                frozen = true;
                return;
            }
        } catch (IOException e) {
            // As above.
        }
        throw lost("not frozen");
    }

    /** Says that the guest's file systems are known to go on. */
    public void thawed() {
        frozen = false;
        try {
            pipe.write(GuardMain.THAWED);
            pipe.flush();
        } catch (IOException e) {
            // As below.
        }
    }

    /**
     * Says that servers of volumes are about to answer with EIO for us: one that hears late of our
     * end stops the guest once more. After {@link #pausing}.
     */
    public void errors() {
        try {
            pipe.write(GuardMain.ERRORS);
            pipe.flush();
        } catch (IOException e) {
            // As below.
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
        lastSent = state;
        pipe.write(state);
        pipe.flush();
    }

    /**
     * Ends the guard. If the guest or its file systems stand still because of us, and are not known
     * to go on, the guard is left to them instead: it takes over as soon as our connection to QEMU
     * is closed.
     */
    @Override
    public void close() {
        try {
            if (lastSent == GuardMain.PAUSED || frozen) {
                pipe.close();
                return;
            }
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
