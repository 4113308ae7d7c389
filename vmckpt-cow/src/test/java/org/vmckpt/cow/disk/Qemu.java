package org.vmckpt.cow.disk;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/** A real QEMU without an operating system: the test writes to its disks through the monitor. */
final class Qemu implements AutoCloseable {
    private static final Duration START_LIMIT = Duration.ofSeconds(60);

    private static final int STOP_LIMIT_SECONDS = 60;

    private final Process process;
    private final Path socket;
    private final Path log;
    private QmpClient qmp;

    private Qemu(Process process, Path socket, Path log, QmpClient qmp) {
        this.process = process;
        this.socket = socket;
        this.log = log;
        this.qmp = qmp;
    }

    /** Starts QEMU with a folder of its own as working directory and the given disk arguments. */
    static Qemu start(Path folder, String... arguments) throws Exception {
        Path socket = folder.resolve("qmp.sock");
        Files.deleteIfExists(socket);
        List<String> command =
                new ArrayList<>(
                        List.of(
                                "qemu-system-x86_64",
                                "-M",
                                "q35",
                                "-accel",
                                "tcg",
                                "-m",
                                "16",
                                "-display",
                                "none",
                                "-nodefaults",
                                "-S",
                                "-qmp",
                                "unix:" + socket + ",server=on,wait=off"));
        command.addAll(List.of(arguments));
        Path log = folder.resolve("qemu.log");
        Process process =
                new ProcessBuilder(command)
                        .directory(folder.toFile())
                        .redirectErrorStream(true)
                        .redirectOutput(log.toFile())
                        .start();
        try {
            return new Qemu(process, socket, log, connect(process, socket, log));
        } catch (VmckptException | IOException e) {
            process.destroyForcibly();
            throw e;
        }
    }

    /** The socket exists a little before QEMU listens on it. */
    private static QmpClient connect(Process process, Path socket, Path log) throws Exception {
        long deadline = System.nanoTime() + START_LIMIT.toNanos();
        while (process.isAlive()) {
            try {
                return QmpClient.connect(socket, START_LIMIT);
            } catch (NotFoundException notYet) {
                if (System.nanoTime() > deadline) {
                    throw notYet;
                }
                Thread.sleep(20);
            }
        }
        throw new IOException("QEMU did not start: " + Files.readString(log));
    }

    QmpClient qmp() {
        return qmp;
    }

    long pid() {
        return process.pid();
    }

    List<GuestDisk> disks() throws VmckptException {
        return DiskInventory.discover(qmp, pid());
    }

    /** What a new vmckpt process sees after the old one was killed. */
    void reconnect() throws VmckptException {
        qmp.close();
        qmp = QmpClient.connect(socket, START_LIMIT);
    }

    /** Does what the guest would: for example {@code write -P 7 0 64k}. */
    void io(GuestDisk disk, String command) throws VmckptException, IOException {
        String device = disk.device();
        String qdev = device.startsWith("/") ? "-d " : "";
        long before = Files.size(log);
        String refusal = qmp.humanMonitor("qemu-io " + qdev + device + " \"" + command + "\"");
        assertThat(refusal).as(command).isEmpty();
        String said = Files.readString(log).substring((int) before);
        assertThat(said).as(command).isNotEmpty().doesNotContainIgnoringCase("error", "failed");
    }

    @Override
    public void close() {
        qmp.close();
        process.destroy();
        process.onExit().orTimeout(STOP_LIMIT_SECONDS, TimeUnit.SECONDS).join();
    }
}
