package org.vmckpt.testvm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.LongPredicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.vmckpt.cow.checkpoint.RuntimeFolder;

/**
 * A libvirtd of our own, with its configuration, state and sockets in one folder, in a mount
 * namespace where that folder lies over the system's; so several run on one host, and none meets
 * the host's own. Its domains run as the user libvirt-qemu, with a seccomp sandbox, as they do on a
 * Debian host. Closing destroys its domains.
 */
public final class TestLibvirtd implements AutoCloseable {
    private static final Pattern MONITOR_FOLDER = Pattern.compile("libvirt-(\\d+)-\\d+");

    private static final Duration START_LIMIT = Duration.ofMinutes(2);
    private static final long END_SECONDS = 60;
    private static final long POLL_MILLIS = 20;

    /** Debian's, whether the host has the package that makes the user or not. */
    private static final int QEMU_UID = 64055;

    private final Path folder;
    private Process process;
    private final Thread atExit = new Thread(this::endAndDelete, "test-libvirtd-exit");

    private TestLibvirtd(Path folder, Process process) {
        this.folder = folder;
        this.process = process;
    }

    /** Starts it and returns when it answers. */
    public static TestLibvirtd start() {
        try {
            // Not where temporary files are: QEMU's user must get there.
            Path folder = Files.createTempDirectory(Path.of("/var/tmp"), "vmckpt-lv");
            Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
            configure(folder);
            TestLibvirtd libvirtd = new TestLibvirtd(folder, launch(folder));
            Runtime.getRuntime().addShutdownHook(libvirtd.atExit);
            libvirtd.awaitAnswer();
            return libvirtd;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot start libvirtd", e);
        }
    }

    private static void configure(Path folder) throws IOException {
        for (String name : List.of("etc", "lib", "log", "cache", "run", "dev", "sock", "vms")) {
            Files.createDirectory(folder.resolve(name));
        }
        Files.writeString(
                folder.resolve("libvirtd.conf"),
                """
                unix_sock_dir = "%s/sock"
                auth_unix_ro = "none"
                auth_unix_rw = "none"
                unix_sock_rw_perms = "0700"
                log_outputs = "3:file:%s/libvirtd.log"
                host_uuid = "%s"
                """
                        .formatted(folder, folder, UUID.randomUUID()));
        Files.writeString(
                folder.resolve("etc/qemu.conf"),
                """
                user = "libvirt-qemu"
                group = "libvirt-qemu"
                security_driver = "none"
                stdio_handler = "file"
                cgroup_controllers = []
                remember_owner = 0
                """);
        String user = "libvirt-qemu:x:%d:%d::/var/lib/libvirt:/usr/sbin/nologin%n";
        append(Path.of("/etc/passwd"), folder.resolve("passwd"), user);
        append(Path.of("/etc/group"), folder.resolve("group"), "libvirt-qemu:x:%d:%n");
    }

    private static void append(Path original, Path copy, String line) throws IOException {
        List<String> lines = new ArrayList<>(Files.readAllLines(original));
        lines.removeIf(known -> known.startsWith("libvirt-qemu:"));
        lines.add(line.formatted(QEMU_UID, QEMU_UID).strip());
        Files.write(copy, lines);
        Files.setPosixFilePermissions(copy, PosixFilePermissions.fromString("rw-r--r--"));
    }

    /**
     * Mounts of the host reach it, its own reach nobody. It finds no KVM: asking QEMU for its
     * abilities takes half the time then, and not a minute where KVM is there and does not work.
     */
    private static Process launch(Path folder) throws IOException {
        String script =
                """
                set -e
                bind() { [ -e "$2" ] || mkdir -p "$2"; mount --bind "$1" "$2"; }
                bind "$0/etc" /etc/libvirt
                bind "$0/lib" /var/lib/libvirt
                bind "$0/log" /var/log/libvirt
                bind "$0/cache" /var/cache/libvirt
                bind "$0/run" /run/libvirt
                bind "$0/passwd" /etc/passwd
                bind "$0/group" /etc/group
                mount -t tmpfs -o mode=755 dev "$0/dev"
                cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$0/dev"
                mkdir "$0/dev/pts" "$0/dev/shm"
                mount --bind /dev/pts "$0/dev/pts"
                mount -t tmpfs -o mode=1777 shm "$0/dev/shm"
                ln -s pts/ptmx "$0/dev/ptmx"
                awk '$2 ~ "^/dev/" { print $2 }' /proc/mounts | tac | xargs -r -n 1 umount -l
                mount --rbind "$0/dev" /dev
                exec libvirtd -f "$0/libvirtd.conf" -p "$0/libvirtd.pid"
                """;
        return new ProcessBuilder(
                        "unshare",
                        "-m",
                        "--propagation",
                        "slave",
                        "sh",
                        "-c",
                        script,
                        folder.toString())
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("start.log").toFile())
                .start();
    }

    private void awaitAnswer() {
        long deadline = System.nanoTime() + START_LIMIT.toNanos();
        while (true) {
            if (Files.exists(folder.resolve("sock/libvirt-sock"))) {
                try {
                    virsh("list");
                    return;
                } catch (TestGuestException e) {
                    // Its drivers are not ready.
                }
            }
            if (!process.isAlive() || System.nanoTime() > deadline) {
                String said = log();
                close();
                throw new TestGuestException("libvirtd did not start: " + said);
            }
            sleep();
        }
    }

    private String log() {
        try {
            Path log = folder.resolve("libvirtd.log");
            return Files.readString(folder.resolve("start.log"))
                    + (Files.exists(log) ? Files.readString(log) : "");
        } catch (IOException e) {
            return e.toString();
        }
    }

    public String uri() {
        return "qemu+unix:///system?socket=" + folder.resolve("sock/libvirt-sock");
    }

    public Path folder() {
        return folder;
    }

    /** Where the files of domains may lie. */
    public Path domainFolder() {
        return folder.resolve("vms");
    }

    /**
     * Folders of sockets through which this process reaches a domain, or one that is dead by now.
     */
    public static Set<Path> monitorFolders() {
        return monitorFolders(pid -> isOurs(pid) || ProcessHandle.of(pid).isEmpty());
    }

    /** Those of this process alone: other tests kill some, whose folders stay for a while. */
    public static Set<Path> ownMonitorFolders() {
        return monitorFolders(TestLibvirtd::isOurs);
    }

    private static boolean isOurs(long pid) {
        return pid == ProcessHandle.current().pid();
    }

    private static Set<Path> monitorFolders(LongPredicate wanted) {
        try (Stream<Path> folders = Files.list(RuntimeFolder.path())) {
            return folders.filter(
                            folder -> {
                                Matcher name =
                                        MONITOR_FOLDER.matcher(folder.getFileName().toString());
                                return name.matches() && wanted.test(Long.parseLong(name.group(1)));
                            })
                    .collect(Collectors.toSet());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Runs virsh and returns what it printed. */
    public String virsh(String... arguments) {
        List<String> command = new ArrayList<>(List.of("virsh", "-q", "-c", uri()));
        command.addAll(List.of(arguments));
        return Commands.run(command);
    }

    /** As after an update of its package: domains run on. */
    public void restart() {
        end();
        startAgain();
    }

    /** SIGKILL; domains run on. */
    public void kill() {
        process.destroyForcibly();
        awaitEnd();
    }

    public void startAgain() {
        try {
            process = launch(folder);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot start libvirtd", e);
        }
        awaitAnswer();
    }

    private void end() {
        process.destroy();
        awaitEnd();
    }

    private void awaitEnd() {
        try {
            if (!process.waitFor(END_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void sleep() {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TestGuestException("interrupted while waiting for libvirtd", e);
        }
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
        end();
        killDomains();
        try {
            Folders.delete(folder);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot delete " + folder, e);
        }
    }

    /** By the files in which it notes their processes. */
    private void killDomains() {
        Path run = folder.resolve("run/qemu");
        if (!Files.isDirectory(run)) {
            return;
        }
        try (Stream<Path> files = Files.list(run)) {
            for (Path file : files.filter(it -> it.toString().endsWith(".pid")).toList()) {
                ProcessHandle.of(Long.parseLong(Files.readString(file).strip()))
                        .ifPresent(qemu -> {
                            qemu.destroyForcibly();
                            qemu.onExit().join();
                        });
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + run, e);
        }
    }
}
