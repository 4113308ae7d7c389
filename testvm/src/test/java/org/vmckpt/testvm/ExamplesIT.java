package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.hook.Script;
import org.vmckpt.cow.linux.UnixPeer;

/** The scripts of {@code docs/examples}, as somebody would run them. */
@Timeout(300)
final class ExamplesIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);

    @TempDir Path folder;
    private Path store;

    @BeforeEach
    void nameStore() {
        store = folder.resolve("store");
    }

    /** What a script said, on both streams, and how it ended. */
    private record Run(int exitCode, String output) {}

    private Run run(String script, Map<String, String> environment, String... arguments)
            throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of("../docs/examples", script).toAbsolutePath().normalize().toString());
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        Path programs = Objects.requireNonNull(VolumeProcess.program().getParent());
        builder.environment().merge("PATH", programs.toString(), (old, our) -> our + ":" + old);
        builder.environment().put("VMCKPT_STORE", store.toString());
        builder.environment().put("VMCKPT_AGENT", "none");
        builder.environment().putAll(environment);
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Run(process.waitFor(), output);
    }

    private void requireRuns(String script, String... arguments) throws Exception {
        Run run = run(script, Map.of(), arguments);
        assertThat(run.exitCode()).as(run.output()).isZero();
    }

    private static TestGuestBuilder guest() {
        return TestGuest.builder()
                .memory(128 * MIB)
                .vcpus(1)
                .disk(TestDisk.qcow2(16 * MIB))
                .workload(Workload.idle(4 * MIB));
    }

    /** It never boots: for what does not matter to the guest. */
    private static TestGuest startStopped() {
        return guest().extraArguments(List.of("-S")).start();
    }

    private static String reference(TestGuest guest) {
        return "qmp:" + guest.qmpSocket();
    }

    private List<String> names() throws Exception {
        try (Store opened = Store.open(store)) {
            return opened.list().stream().map(it -> it.name().orElse("")).toList();
        }
    }

    private Manifest checkpoint(TestGuest guest, String name) throws Exception {
        try (Store opened = Store.openOrCreate(store)) {
            CheckpointRequest request =
                    PatientRequest.of(guest.qmpSocket(), opened).withName(Optional.of(name));
            return CheckpointService.checkpoint(request, ProgressListener.none()).manifest();
        }
    }

    @Test
    void nightlyKeepsItsOwnLastOnesAndCheckpointAllTellsOfEach() throws Exception {
        try (TestGuest one = startStopped();
                TestGuest two = startStopped()) {
            checkpoint(one, "by-hand");
            requireRuns("nightly", reference(one), "1");
            String first = names().getLast();
            // Of a guest whose name begins like this one's.
            String other = first.replaceFirst("-(\\d{8}T\\d{6})$", "-2-$1");
            checkpoint(one, other);
            requireRuns("nightly", reference(one), "1");
            assertThat(names()).hasSize(3).contains("by-hand", other);
            assertThat(names().getLast()).startsWith("nightly-").isGreaterThan(first);
            Run failed = run("nightly", Map.of(), "qmp:" + folder.resolve("nobody"), "1");
            assertThat(failed.exitCode()).isEqualTo(3);
            assertThat(failed.output()).contains("no QEMU listens there");

            requireAgentTakesAll(one, two);
            Run some =
                    run(
                            "checkpoint-all",
                            Map.of(),
                            "--all-or-none",
                            "all",
                            reference(one),
                            "qmp:" + folder.resolve("nobody"));
            assertThat(some.exitCode()).isEqualTo(1);
            assertThat(some.output())
                    .contains(reference(one) + ": checkpoint ")
                    .contains("nobody: FAILED: ", "no QEMU listens there")
                    .contains("1 of 2 guests have no checkpoint all");
            assertThat(names()).doesNotContain("all").hasSize(5);
        }
    }

    private void requireAgentTakesAll(TestGuest one, TestGuest two) throws Exception {
        Files.write(
                folder.resolve("agent.yaml"),
                List.of(
                        "store: " + store,
                        "api: {socket: " + folder.resolve("agent.sock") + "}",
                        "guests:",
                        "  vm1: {monitor: " + one.qmpSocket() + "}",
                        "  vm2: {monitor: " + two.qmpSocket() + "}"));
        try (AgentProcess agent = AgentProcess.start(folder, Map.of())) {
            Map<String, String> asked = Map.of("VMCKPT_AGENT", agent.socket().toString());
            Run all = run("checkpoint-all", asked, "both", "vm1", "vm2");
            assertThat(all.exitCode()).as(all.output()).isZero();
            assertThat(all.output()).contains("vm1: checkpoint ", "vm2: checkpoint ");
        }
        assertThat(names()).filteredOn("both"::equals).hasSize(2);
    }

    @Test
    void anEvacuatedGuestLosesNothingAndOneThatCannotGoStays() throws Exception {
        Path home = Files.createDirectory(folder.resolve("home"));
        Path broken = Files.createFile(folder.resolve("broken"));
        // The other host: another store, and a restore that fails at first.
        Path host =
                Script.write(
                        folder,
                        "host",
                        "[ \"$2\" != restore ] || [ ! -e %s ] || exit 9; VMCKPT_STORE=%s exec \"$@\""
                                .formatted(broken, folder.resolve("other-store")));
        try (TestGuest guest = guest().start()) {
            String nonce = guest.awaitBoot().nonce();
            guest.awaitWork();
            Path newMonitor = home.resolve("qmp.sock");
            String[] arguments = {
                guest.qmpSocket().toString(),
                "other-host",
                newMonitor.toString(),
                home.resolve("disks").toString(),
                "--map",
                guest.folder() + "=" + home
            };
            Map<String, String> remote = Map.of("VMCKPT_REMOTE", host.toString());
            Run failed = run("evacuate", remote, arguments);
            assertThat(failed.exitCode()).isEqualTo(1);
            assertThat(failed.output()).contains("failed; the guest goes on here");
            long last = guest.console().awaitAnyTick(SOON).counter() + 2;
            guest.console().awaitTick(last, SOON);

            Files.delete(broken);
            Run run = run("evacuate", remote, arguments);
            assertThat(run.exitCode()).as(run.output()).isZero();
            await().atMost(SOON).until(() -> !guest.isRunning());
            ProcessHandle moved = ProcessHandle.of(UnixPeer.pidOf(newMonitor)).orElseThrow();
            try {
                GuestConsole console =
                        new GuestConsole(home.resolve("console.log"), home.resolve("command.sock"));
                ConsoleLine.Tick first = console.awaitAnyTick(SOON);
                assertThat(first.nonce()).isEqualTo(nonce);
                assertThat(first.counter()).isGreaterThanOrEqualTo(last);
                assertThat(console.verify(SOON).errors()).isZero();
            } finally {
                moved.destroyForcibly();
                moved.onExit().join();
            }
        }
    }
}
