package org.vmckpt.testvm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A running QEMU with the test image, in a folder of its own. Closing kills it and deletes the
 * folder; so does the end of this JVM, unless {@link #detach} was called.
 */
public final class TestGuest implements AutoCloseable {
    private static final Duration BOOT_TIMEOUT = Duration.ofMinutes(3);
    private static final long END_SECONDS = 60;

    /** Of a socket in /proc/net/unix: somebody listens. */
    private static final String LISTENS = " 00010000 ";

    /** It says one every quarter of a second. */
    private static final int WORKING_TICKS = 4;

    private final Path folder;
    private final List<String> commandLine;
    private final Process process;
    private final GuestConsole console;
    private final @Nullable SlowDisk slowDisk;
    private final Thread atExit = new Thread(this::endAndDelete, "test-guest-exit");

    private TestGuest(
            Path folder, List<String> commandLine, Process process, @Nullable SlowDisk slowDisk) {
        this.folder = folder;
        this.commandLine = commandLine;
        this.process = process;
        this.slowDisk = slowDisk;
        this.console =
                new GuestConsole(
                        QemuArguments.consoleLog(folder),
                        QemuArguments.commandSocket(folder),
                        process::isAlive);
    }

    public static TestGuestBuilder builder() {
        return new TestGuestBuilder();
    }

    static TestGuest start(
            Path folder,
            List<String> commandLine,
            Map<String, String> environment,
            @Nullable SlowDisk slowDisk) {
        ProcessBuilder qemu = new ProcessBuilder(commandLine).redirectErrorStream(true);
        qemu.redirectOutput(outputFile(folder).toFile());
        qemu.environment().putAll(environment);
        try {
            TestGuest guest = new TestGuest(folder, commandLine, qemu.start(), slowDisk);
            Runtime.getRuntime().addShutdownHook(guest.atExit);
            guest.process.getOutputStream().close();
            guest.awaitQmp();
            return guest;
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "cannot start %s: is qemu-system-x86 installed?".formatted(commandLine), e);
        }
    }

    private void awaitQmp() {
        long deadline = System.nanoTime() + BOOT_TIMEOUT.toNanos();
        while (!listensOn(qmpSocket())) {
            if (!process.isAlive() || System.nanoTime() > deadline) {
                String output = qemuOutput();
                close();
                throw new TestGuestException("QEMU did not start: " + output);
            }
            pause();
        }
    }

    /** Whether QEMU can be reached there; the file is there a little earlier. */
    public boolean listensOn(Path socket) {
        Path sockets = Path.of("/proc", Long.toString(pid()), "net/unix");
        try {
            return Files.readAllLines(sockets, StandardCharsets.ISO_8859_1).stream()
                    .anyMatch(line -> line.contains(LISTENS) && line.endsWith(" " + socket));
        } catch (IOException ended) {
            return false;
        }
    }

    /** Waits for the first line of the guest. */
    public ConsoleLine.Boot awaitBoot() {
        try {
            return console.awaitBoot(BOOT_TIMEOUT);
        } catch (TestGuestException e) {
            // Tells a guest that hangs from one that got no processor.
            throw new TestGuestException(
                    "QEMU used %s of processor time and said: %s"
                            .formatted(process.info().totalCpuDuration(), qemuOutput()),
                    e);
        }
    }

    /** Waits until the guest has been at its work for a second. */
    public void awaitWork() {
        awaitBoot();
        console.awaitTick(WORKING_TICKS, BOOT_TIMEOUT);
    }

    public GuestConsole console() {
        return console;
    }

    /** QEMU's own, also when it was started through a wrapper. */
    public long pid() {
        return process.pid();
    }

    public boolean isRunning() {
        return process.isAlive();
    }

    public Path folder() {
        return folder;
    }

    public List<String> commandLine() {
        return commandLine;
    }

    /** Not used by this class: QEMU serves one client at a time. */
    public Path qmpSocket() {
        return QemuArguments.qmpSocket(folder);
    }

    /** Only for a guest that was built with {@link TestGuestBuilder#secondMonitor}. */
    public Path secondQmpSocket() {
        return QemuArguments.secondQmpSocket(folder);
    }

    /** Only for a guest that was built with {@link TestGuestBuilder#guestAgent}. */
    public Path agentSocket() {
        return QemuArguments.agentSocket(folder);
    }

    public Path consoleLog() {
        return QemuArguments.consoleLog(folder);
    }

    public Path commandSocket() {
        return QemuArguments.commandSocket(folder);
    }

    /** The file of the disk with this index, as it was made. */
    public Path diskFile(int index) {
        for (TestDisk.Format format : TestDisk.Format.values()) {
            Path file = folder.resolve("disk%d.%s".formatted(index, format.qemuName()));
            if (Files.exists(file)) {
                return file;
            }
        }
        throw new IllegalArgumentException("the guest has no disk " + index);
    }

    /** Only for a guest that was built with {@link TestGuestBuilder#slowDisk}. */
    public SlowDisk slowDisk() {
        if (slowDisk == null) {
            throw new IllegalStateException("this guest was not built with slowDisk");
        }
        return slowDisk;
    }

    /** What QEMU itself said. */
    public String qemuOutput() {
        try {
            return Files.exists(outputFile(folder)) ? Files.readString(outputFile(folder)) : "";
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + outputFile(folder), e);
        }
    }

    /** Kills QEMU and leaves its files. */
    public void kill() {
        process.destroyForcibly();
        try {
            if (!process.waitFor(END_SECONDS, TimeUnit.SECONDS)) {
                throw new TestGuestException("QEMU %d outlives SIGKILL".formatted(pid()));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Waits for the end of QEMU, however it comes. */
    public int waitFor() throws InterruptedException {
        return process.waitFor();
    }

    /** Lets QEMU and its folder outlive this JVM. */
    public void detach() {
        Runtime.getRuntime().removeShutdownHook(atExit);
    }

    @Override
    public void close() {
        try {
            Runtime.getRuntime().removeShutdownHook(atExit);
        } catch (IllegalStateException e) {
            return; // this JVM ends: the hook does it
        }
        endAndDelete();
    }

    private void endAndDelete() {
        kill();
        try {
            Folders.delete(folder);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot delete the guest's folder " + folder, e);
        }
    }

    private static Path outputFile(Path folder) {
        return folder.resolve("qemu.log");
    }

    private static void pause() {
        try {
            Thread.sleep(10);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TestGuestException("interrupted while QEMU starts", e);
        }
    }
}
