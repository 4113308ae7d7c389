package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/** Programs of the host, and JVMs of our own that can be killed. */
final class Programs {
    private static final String GUARD = "org.vmckpt.cow.guard.GuardMain";
    private static final String WARDEN = "org.vmckpt.cow.rollback.WardenMain";

    private Programs() {}

    /** Runs a program to its end, which must be a good one. */
    static void run(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as("%s: %s", String.join(" ", command), output).isZero();
    }

    /** Starts a main class with our class path; what it says on standard error is ours to see. */
    static Process java(List<String> wrapper, Class<?> main, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(wrapper);
        command.addAll(
                List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-Xmx256m",
                        // They live for seconds: compiling well takes longer than it saves.
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty(
                                "surefire.test.class.path", System.getProperty("java.class.path")),
                        main.getName()));
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    }

    /** Ends the process that would finish this one's rollback, and waits for its end. */
    static void killWarden(Process rollback) {
        ProcessHandle warden =
                rollback.children()
                        .filter(it -> commandLine(it).contains(WARDEN))
                        .findFirst()
                        .orElseThrow();
        warden.destroyForcibly();
        warden.onExit().join();
    }

    /** The guards of the guest with this monitor, whoever has started them. */
    static List<ProcessHandle> guardsOf(Path qmpSocket) {
        return ProcessHandle.allProcesses()
                .filter(process -> {
                    String line = commandLine(process);
                    return line.contains(GUARD) && line.contains(qmpSocket.toString());
                })
                .toList();
    }

    /** They have done their work and are gone. */
    static void awaitNoGuard(Path qmpSocket) {
        await().atMost(WatchedGuest.SOON).until(() -> guardsOf(qmpSocket).isEmpty());
    }

    /** Stops a process; its threads go on for a moment after the signal, so waits for each. */
    static void suspend(ProcessHandle process) throws Exception {
        run("kill", "-STOP", Long.toString(process.pid()));
        // A thread may end while it is looked at.
        await().atMost(WatchedGuest.SOON)
                .ignoreExceptions()
                .until(() -> allThreadsAreStopped(process));
    }

    /** The state is the first field behind the name, which ends with the last bracket: proc(5). */
    private static boolean allThreadsAreStopped(ProcessHandle process) throws IOException {
        Path threads = Path.of("/proc", Long.toString(process.pid()), "task");
        try (DirectoryStream<Path> folders = Files.newDirectoryStream(threads)) {
            for (Path thread : folders) {
                String stat = Files.readString(thread.resolve("stat"), StandardCharsets.ISO_8859_1);
                if (stat.charAt(stat.lastIndexOf(')') + 2) != 'T') {
                    return false;
                }
            }
        }
        return true;
    }

    /** In a process that is to be killed at one point: says that it is there, and stays. */
    static void haltAt(String point, String moment) {
        if (moment.equals(point)) {
            System.out.println("at " + moment);
            System.out.flush();
            while (true) {
                LockSupport.park();
            }
        }
    }

    /** All of it; that of {@link ProcessHandle.Info} ends after 4 KiB. Empty if it has ended. */
    static String commandLine(ProcessHandle process) {
        Path file = Path.of("/proc", Long.toString(process.pid()), "cmdline");
        try {
            return Files.readString(file, StandardCharsets.ISO_8859_1).replace('\0', ' ');
        } catch (IOException ended) {
            return "";
        }
    }
}
