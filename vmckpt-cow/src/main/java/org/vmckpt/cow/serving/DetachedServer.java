package org.vmckpt.cow.serving;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;

/**
 * A {@link VolumeServer} in a process of its own, in a session of its own: it outlives us, as the
 * guest that it serves does. Until {@link #endWith} says otherwise it ends with us, so that nothing
 * is left of a restore that is killed.
 */
public final class DetachedServer {
    /** As lib/java.options has it for vmckpt volume serve. */
    private static final List<String> JAVA_OPTIONS =
            List.of(
                    "-XX:+UseSerialGC",
                    "-Xms64m",
                    "-Xmx192m",
                    "-Xmn48m",
                    "-XX:MaxDirectMemorySize=128m",
                    "-XX:-UsePerfData",
                    "--enable-native-access=ALL-UNNAMED",
                    "--sun-misc-unsafe-memory-access=allow");

    private static final int POLL_MILLIS = 10;
    private static final int KILL_SECONDS = 10;
    private static final int LOG_TAIL_LINES = 4;

    private final Process process;
    private final Path socket;

    private DetachedServer(Process process, Path socket) {
        this.process = process;
        this.socket = socket;
    }

    /** What the server says. */
    public static Path logOf(Path socket) {
        return socket.resolveSibling(socket.getFileName() + ".log");
    }

    /** A file that has the server's process id for as long as it serves. */
    public static Path pidFileOf(Path socket) {
        return socket.resolveSibling(socket.getFileName() + ".pid");
    }

    /** Starts it and returns before it serves; the volumes are exports of their folders' names. */
    public static DetachedServer start(List<Path> volumes, Path socket) throws StorageException {
        Path folder = socket.toAbsolutePath().normalize().resolveSibling("");
        List<String> command = new ArrayList<>();
        command.add("setsid");
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(JAVA_OPTIONS);
        command.addAll(List.of("-cp", classPath(), ServerMain.class.getName()));
        command.addAll(List.of(socket.toString(), pidFileOf(socket).toString()));
        command.add(Long.toString(ProcessHandle.current().pid()));
        volumes.forEach(volume -> command.add(volume.toString()));
        try {
            Files.createFile(
                    logOf(socket),
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rw-------")));
            return new DetachedServer(
                    new ProcessBuilder(command)
                            .directory(folder.toFile())
                            .redirectInput(Path.of("/dev/null").toFile())
                            .redirectErrorStream(true)
                            .redirectOutput(
                                    ProcessBuilder.Redirect.appendTo(logOf(socket).toFile()))
                            .start(),
                    socket);
        } catch (IOException e) {
            throw new StorageException(
                    "serving disks on %s: no process for that through setsid (package util-linux): %s"
                            .formatted(socket, e.getMessage()),
                    e);
        }
    }

    /** It runs in another folder than we do. */
    private static String classPath() {
        return Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
                .map(entry -> Path.of(entry).toAbsolutePath().toString())
                .collect(Collectors.joining(File.pathSeparator));
    }

    public long pid() {
        return process.pid();
    }

    public Path socket() {
        return socket;
    }

    /** Waits until it serves all volumes. */
    public void awaitServing(Duration limit) throws VmckptException {
        long deadline = System.nanoTime() + limit.toNanos();
        Path control = VolumeServer.controlSocketOf(socket);
        while (true) {
            if (!process.isAlive()) {
                throw new TransportException(
                        "serving disks on %s: the server ended: %s".formatted(socket, lastWords()));
            }
            if (Files.exists(control)) {
                try (ControlClient client = ControlClient.connect(control)) {
                    client.status();
                    return;
                } catch (TransportException e) {
                    // Bound and not yet listening.
                }
            }
            if (System.nanoTime() > deadline) {
                throw new TransportException(
                        "serving disks on %s: the server was not ready within %d ms: %s"
                                .formatted(socket, limit.toMillis(), lastWords()));
            }
            nap();
        }
    }

    private static void nap() throws TransportException {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TransportException("interrupted while a server of disks was starting", e);
        }
    }

    private String lastWords() {
        try {
            List<String> lines = Files.readAllLines(logOf(socket), StandardCharsets.UTF_8);
            List<String> last =
                    lines.subList(Math.max(0, lines.size() - LOG_TAIL_LINES), lines.size());
            return last.isEmpty() ? "it said nothing" : String.join("\n", last);
        } catch (IOException e) {
            return "it said nothing";
        }
    }

    /** From now on it lives as long as this process, and no longer as long as we. */
    public void endWith(long guest) throws VmckptException {
        try (ControlClient client = ControlClient.connect(VolumeServer.controlSocketOf(socket))) {
            client.endWith(guest);
        }
    }

    /** Kills whoever serves volumes in a folder on a socket there: they are thrown away. */
    public static void killIn(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return;
        }
        try (DirectoryStream<Path> pidFiles = Files.newDirectoryStream(folder, "*.pid")) {
            for (Path file : pidFiles) {
                String pid = Files.readString(file, StandardCharsets.US_ASCII).strip();
                Path commandLine = Path.of("/proc", pid, "cmdline");
                if (Files.exists(commandLine)
                        && Files.readString(commandLine, StandardCharsets.ISO_8859_1)
                                .contains(file.toString())) {
                    ProcessHandle.of(Long.parseLong(pid)).ifPresent(DetachedServer::kill);
                }
            }
        }
    }

    private static void kill(ProcessHandle server) {
        server.destroyForcibly();
        try {
            server.onExit().get(KILL_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            // Stuck in the kernel: removing its files will tell.
        }
    }

    /** Kills it: what it serves is thrown away. */
    public void kill() {
        kill(process.toHandle());
    }
}
