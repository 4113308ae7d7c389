package org.vmckpt.cow.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/** A real QEMU under TCG with little memory and no disk; it may run a boot sector. */
public final class TinyQemu implements AutoCloseable {
    static final String[] SHARED = {
        "-object", "memory-backend-memfd,id=mem0,size=64M,share=on",
        "-machine", "memory-backend=mem0"
    };

    private static final Duration SOON = Duration.ofSeconds(60);
    private static final long LOOK_NANOS = 2_000_000;

    public final Path socket;
    final ProcessHandle process;

    /** Options for shared memory, and more. */
    public static String[] sharedAnd(String... more) {
        return Stream.concat(Arrays.stream(SHARED), Arrays.stream(more)).toArray(String[]::new);
    }

    /** A QEMU that is nobody's child, as a management daemon leaves it. */
    public TinyQemu(Path folder, String... options) throws Exception {
        this(folder, true, options);
    }

    TinyQemu(Path folder, boolean daemon, String... options) throws Exception {
        socket = folder.resolve("qmp-" + System.nanoTime() + ".sock");
        List<String> command =
                new ArrayList<>(
                        List.of(
                                "qemu-system-x86_64",
                                "-machine",
                                "pc,accel=tcg",
                                "-m",
                                "64",
                                "-display",
                                "none",
                                "-nodefaults",
                                "-qmp",
                                "unix:" + socket + ",server=on,wait=off"));
        command.addAll(List.of(options));
        Path pidFile = folder.resolve("pid-" + System.nanoTime());
        if (daemon) {
            command.addAll(List.of("-daemonize", "-pidfile", pidFile.toString()));
        }
        Process started = new ProcessBuilder(command).inheritIO().start();
        if (daemon) {
            started.waitFor();
            long pid = Long.parseLong(Files.readString(pidFile).strip());
            process = ProcessHandle.of(pid).orElseThrow();
        } else {
            process = started.toHandle();
        }
        long deadline = System.nanoTime() + SOON.toNanos();
        while (!isListening()) {
            if (System.nanoTime() > deadline || !process.isAlive()) {
                throw new AssertionError("QEMU did not start: " + command);
            }
            Thread.sleep(5);
        }
    }

    /** The socket exists a little before QEMU listens on it. */
    private boolean isListening() throws VmckptException {
        try (QmpClient _ = connect()) {
            return true;
        } catch (NotFoundException notYet) {
            return false;
        }
    }

    public long pid() {
        return process.pid();
    }

    public QmpClient connect() throws VmckptException {
        return QmpClient.connect(socket, SOON);
    }

    public List<RamRegion> regions() throws VmckptException {
        try (QmpClient qmp = connect()) {
            return GuestMemory.inspect(pid(), qmp);
        }
    }

    /** How many userfaultfds it holds. */
    public long userfaultfdCount() throws Exception {
        try (var entries = Files.list(Path.of("/proc/" + pid() + "/fd"))) {
            return entries.filter(TinyQemu::isUserfaultfd).count();
        }
    }

    private static boolean isUserfaultfd(Path entry) {
        try {
            return Files.readSymbolicLink(entry).toString().contains("userfaultfd");
        } catch (IOException closedMeanwhile) {
            return false;
        }
    }

    /**
     * Returns when it has ended. It may be nobody's child: Java would look for its end three times
     * a second, and only once it was reaped, which some hosts take seconds for.
     */
    void kill() {
        process.destroyForcibly();
        while (!ProcessStatus.hasEnded(pid())) {
            LockSupport.parkNanos(LOOK_NANOS);
        }
    }

    @Override
    public void close() {
        kill();
    }
}
