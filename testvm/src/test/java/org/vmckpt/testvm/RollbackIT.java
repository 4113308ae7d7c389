package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.hook.Script;
import org.vmckpt.cow.linux.UnixPeer;

/** {@code vmckpt rollback} of a guest under load, whose own workload is the judge. */
final class RollbackIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);

    /** A guest says something four times a second, and we do not look at once. */
    private static final int MOST_TICKS_UNREAD = 8;

    @TempDir private Path folder;
    private final List<Long> started = new ArrayList<>();

    @AfterEach
    void endGuests() {
        started.forEach(pid -> ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly));
    }

    /** What a command printed, and how it ended. */
    private record Run(int exitCode, String output, String errors) {}

    private Run vmckpt(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(VolumeProcess.program().toString()));
        command.addAll(List.of(arguments));
        command.addAll(
                List.of(
                        "--json",
                        "--agent",
                        "none",
                        "--store",
                        folder.resolve("store").toString()));
        Path errors = folder.resolve("errors");
        Process process = new ProcessBuilder(command).redirectError(errors.toFile()).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Run(process.waitFor(), output, Files.readString(errors));
    }

    private Run run(TestGuest guest, String checkpoint, String... options) throws Exception {
        List<String> arguments =
                new ArrayList<>(List.of("rollback", "qmp:" + guest.qmpSocket(), checkpoint));
        arguments.addAll(List.of("--hooks", folder.resolve("hooks.d").toString()));
        arguments.addAll(List.of(options));
        Files.deleteIfExists(heard());
        return vmckpt(arguments.toArray(String[]::new));
    }

    private Path heard() {
        return folder.resolve("heard");
    }

    /** What the hooks heard in the last run. */
    private List<String> events() throws Exception {
        return Files.readAllLines(heard());
    }

    private JsonNode rollback(TestGuest guest, String checkpoint, String... options)
            throws Exception {
        Run run = run(guest, checkpoint, options);
        assertThat(run.exitCode()).as(run.output() + run.errors()).isZero();
        JsonNode report = Json.MAPPER.readTree(run.output());
        started.add(report.path("guest").path("pid").asLong());
        System.out.printf("rollback: stood still for %s ms%n", report.path("standstillMillis"));
        return report;
    }

    private static TestGuest startGuest() {
        return TestGuest.builder()
                .memory(128 * MIB)
                .vcpus(1)
                .disk(TestDisk.qcow2(16 * MIB))
                .disk(TestDisk.raw(16 * MIB).asBlockdev())
                .workload(
                        Workload.idle(8 * MIB)
                                .memory(Rate.perSecond(20_000))
                                .disk(Rate.perSecond(300)))
                .start();
    }

    private static long ticksNow(GuestConsole console) {
        return console.awaitAnyTick(SOON).counter();
    }

    /** Of the QEMU that has the guest's sockets and log now. */
    private static GuestConsole console(TestGuest guest) {
        return new GuestConsole(guest.consoleLog(), guest.commandSocket());
    }

    private static long requireGoesOn(GuestConsole console, String nonce) {
        ConsoleLine.Tick first = console.awaitFirstTick(SOON);
        assertThat(first.nonce()).isEqualTo(nonce);
        console.awaitTick(console.awaitAnyTick(SOON).counter() + 1, SOON);
        assertThat(console.verify(SOON).errors()).isZero();
        assertThat(console.faults()).isEmpty();
        return first.counter();
    }

    @Test
    void aLoadedGuestGoesBackAndForth() throws Exception {
        Script.write(
                folder.resolve("hooks.d"),
                "10-log",
                "echo $VMCKPT_OPERATION $VMCKPT_EVENT $VMCKPT_PID >>" + heard());
        try (TestGuest guest = startGuest();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            String nonce = guest.awaitBoot().nonce();
            guest.awaitWork();
            Manifest target =
                    CheckpointService.checkpoint(
                                    PatientRequest.of(guest.qmpSocket(), store),
                                    ProgressListener.none())
                            .manifest();
            long atTarget = ticksNow(guest.console());

            requireFailureIsHarmless(guest, target);
            requireHooksCanForbidIt(guest, target, store);
            guest.console().awaitTick(atTarget + MOST_TICKS_UNREAD, SOON);

            long before = ticksNow(guest.console());
            JsonNode back = rollback(guest, target.id().toString());
            await().atMost(SOON).until(() -> !guest.isRunning());
            long first = requireGoesOn(console(guest), nonce);
            assertThat(first).isLessThanOrEqualTo(atTarget + MOST_TICKS_UNREAD);
            assertThat(events())
                    .containsExactly(
                            "rollback pre-restore",
                            "checkpoint pre-checkpoint",
                            "checkpoint resumed",
                            "checkpoint durable",
                            "rollback restored " + back.path("guest").path("pid"));
            assertThat(back.path("oldDisks")).hasSize(2);
            assertThat(aside(guest)).singleElement().asString().contains("console.log.old-");

            String safety = back.path("before").asText();
            assertThat(store.find(safety).name().orElseThrow()).startsWith("before-rollback-");
            JsonNode forth = rollback(guest, safety, "--serve-disks");
            assertThat(UnixPeer.pidOf(guest.qmpSocket()))
                    .isEqualTo(forth.path("guest").path("pid").asLong())
                    .isNotEqualTo(back.path("guest").path("pid").asLong());
            assertThat(requireGoesOn(console(guest), nonce)).isGreaterThanOrEqualTo(before);
            assertThat(forth.path("before").asText()).isNotEqualTo(safety).isNotEmpty();
            assertThat(store.list()).hasSize(4);
            endGuests();
            Path served = Path.of(forth.at("/guest/diskServer/socket").asText());
            await().atMost(SOON).until(() -> Files.notExists(served));
            // It still writes in the guest's folder, which is deleted next.
            long server = forth.at("/guest/diskServer/pid").asLong();
            await().atMost(SOON).until(() -> ProcessHandle.of(server).isEmpty());
        }
    }

    private void requireFailureIsHarmless(TestGuest guest, Manifest target) throws Exception {
        Run failed = run(guest, target.id().toString(), "--arg", "-device no-such-device");
        assertThat(failed.exitCode()).isNotZero();
        assertThat(failed.output())
                .contains("no-such-device")
                .contains("The guest is as it was (QEMU pid " + guest.pid() + ")");
        guest.console().awaitTick(ticksNow(guest.console()) + 2, SOON);
        assertThat(guest.console().verify(SOON).errors()).isZero();
        assertThat(guest.console().faults()).isEmpty();
        assertThat(aside(guest)).isEmpty();
        assertThat(events()).startsWith("rollback pre-restore").endsWith("rollback failed");
    }

    private void requireHooksCanForbidIt(TestGuest guest, Manifest target, Store store)
            throws Exception {
        int before = store.list().size();
        Path forbid =
                Script.write(
                        folder.resolve("hooks.d"),
                        "20-forbid",
                        "[ $VMCKPT_EVENT != pre-restore ] || exit 7");
        Run forbidden = run(guest, target.id().toString());
        assertThat(forbidden.exitCode()).isNotZero();
        assertThat(forbidden.output()).contains("20-forbid");
        assertThat(events()).containsExactly("rollback pre-restore", "rollback failed");
        assertThat(store.list()).hasSize(before);
        Files.delete(forbid);
    }

    private static List<Path> aside(TestGuest guest) throws Exception {
        try (Stream<Path> files = Files.list(guest.folder())) {
            return files.filter(file -> file.toString().contains(".old-")).toList();
        }
    }
}
