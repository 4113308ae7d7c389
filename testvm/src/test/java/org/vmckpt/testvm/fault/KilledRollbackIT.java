package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.UnixPeer;
import org.vmckpt.cow.restore.RestoreRequest;
import org.vmckpt.cow.rollback.RollbackRequest;
import org.vmckpt.cow.rollback.RollbackService;
import org.vmckpt.testvm.ConsoleLine;
import org.vmckpt.testvm.GuestConsole;
import org.vmckpt.testvm.Rate;
import org.vmckpt.testvm.TestDisk;
import org.vmckpt.testvm.TestGuest;
import org.vmckpt.testvm.Workload;

/** A rollback that is killed between any two of its steps leaves one guest. */
final class KilledRollbackIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);

    /** Every point, by hand. */
    private static final boolean ALL = System.getProperty("vmckpt.soak") != null;

    private static final List<String> POINTS =
            ALL ? List.of("STOPPED", "MOVED", "RUNS") : List.of("RUNS");

    @TempDir private Path folder;
    private Store store;

    @BeforeEach
    void openStore() throws VmckptException {
        store = Store.openOrCreate(folder.resolve("store"));
    }

    @AfterEach
    void closeStore() {
        store.close();
    }

    /** Both ends of a rollback. */
    private record Ends(Manifest target, Manifest safety) {}

    private Path disks() {
        return folder.resolve("disks");
    }

    private Ends checkpoints(Path qmpSocket) throws VmckptException {
        return new Ends(checkpoint(qmpSocket), checkpoint(qmpSocket));
    }

    private Manifest checkpoint(Path qmpSocket) throws VmckptException {
        return CheckpointService.checkpoint(
                        CheckpointRequest.of(qmpSocket, store), ProgressListener.none())
                .manifest();
    }

    private void killAt(String point, Path qmpSocket, Ends ends, boolean wardenToo)
            throws Exception {
        Process process =
                Programs.java(
                        List.of(),
                        HaltingRollbackMain.class,
                        qmpSocket.toString(),
                        store.directory().toString(),
                        ends.target().id().toString(),
                        ends.safety().id().toString(),
                        disks().toString(),
                        point);
        try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
            assertThat(lines.readLine()).isEqualTo("at " + point);
            assertThatThrownBy(() -> RollbackService.recover(qmpSocket))
                    .as("it is under way")
                    .isInstanceOf(ConflictException.class)
                    .hasMessageContaining("or a rollback");
            if (wardenToo) {
                Programs.killWarden(process);
            }
        } finally {
            process.destroyForcibly().waitFor();
        }
    }

    @Test
    void whereverItIsKilledTheOldGuestOrTheNewGoesOn() throws Exception {
        try (WatchedGuest guest = WatchedGuest.boot()) {
            Path qmp = guest.guest().qmpSocket();
            long old = guest.guest().pid();
            Ends ends = checkpoints(qmp);
            for (String point : POINTS) {
                killAt(point, qmp, ends, false);
                guest.awaitRunning(SOON);
                awaitNothingLeft(guest.guest());
                guest.requireGoesOn();
            }
            killAt("MOVED", qmp, ends, true);
            assertThat(guest.status()).isEqualTo("paused");
            if (ALL) {
                assertThat(RollbackService.recover(qmp))
                        .contains("the guest is as it was (QEMU pid " + old + ")");
                guest.requireAllIsWell();
                awaitNothingLeft(guest.guest());
                killAt("MOVED", qmp, ends, true);
            }
            endWhoIs(old);
            assertThat(RollbackService.recover(qmp).orElseThrow())
                    .contains("back from checkpoint " + ends.safety().id());
            requireGoesOn(guest.guest(), ends.safety());

            long second = UnixPeer.pidOf(qmp);
            killAt("SETTLED", qmp, ends, false);
            await().atMost(SOON).until(() -> ProcessHandle.of(second).isEmpty());
            requireGoesOn(guest.guest(), ends.target());
            endWhoIsThere(qmp);
        }
    }

    private void awaitNothingLeft(TestGuest guest) {
        await().atMost(SOON)
                .untilAsserted(() -> {
                    assertThat(journal(guest)).doesNotExist();
                    assertThat(aside(guest)).isEmpty();
                    assertThat(disks()).doesNotExist();
                });
    }

    private static Path journal(TestGuest old) {
        return Path.of("/run/vmckpt", "rollback-" + old.pid() + ".json");
    }

    private static List<Path> aside(TestGuest guest) throws IOException {
        try (Stream<Path> files = Files.list(guest.folder())) {
            return files.filter(it -> it.toString().contains(".old-")).toList();
        }
    }

    /** Whoever has the guest's sockets now; its log begins anew. */
    private static void requireGoesOn(TestGuest guest, Manifest from) {
        GuestConsole console = new GuestConsole(guest.consoleLog(), guest.commandSocket());
        ConsoleLine.Tick first = console.awaitAnyTick(SOON);
        console.awaitTick(first.counter() + 1, SOON);
        assertThat(console.verify(SOON).errors()).as("errors since %s", from.id()).isZero();
        assertThat(console.faults()).isEmpty();
    }

    /** Whoever has the guest's place; what started it has ended. */
    private static void endWhoIsThere(Path qmpSocket) {
        try {
            endWhoIs(UnixPeer.pidOf(qmpSocket));
        } catch (ErrnoException nobody) {
            // The test has failed before, and says how.
        }
    }

    private static void endWhoIs(long pid) {
        ProcessHandle.of(pid)
                .ifPresent(process -> {
                    process.destroyForcibly();
                    process.onExit().join();
                });
    }

    @Test
    void aGuestThatHadToEndFirstIsBroughtBack() throws Exception {
        try (TestGuest guest = guestWithPort()) {
            guest.awaitWork();
            Path qmp = guest.qmpSocket();
            Ends ends = checkpoints(qmp);
            RestoreRequest target =
                    RestoreRequest.of(store, ends.target(), qmp, disks())
                            .withArguments(List.of("-device no-such-device"));
            assertThatThrownBy(() -> rollback(target, Optional.empty()))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("TCP port")
                    .hasMessageContaining("leave out --no-checkpoint");
            assertThat(guest.isRunning()).isTrue();

            killAt("MOVED", qmp, ends, false);
            await().atMost(SOON).until(() -> !guest.isRunning());
            await().atMost(SOON).until(() -> Files.notExists(journal(guest)));
            long second = UnixPeer.pidOf(qmp);
            assertThat(second).isNotEqualTo(guest.pid());
            requireGoesOn(guest, ends.safety());

            if (ALL) {
                Optional<CheckpointId> safety = Optional.of(checkpoint(qmp).id());
                assertThatThrownBy(() -> rollback(target, safety))
                        .hasMessageContaining("no-such-device")
                        .hasMessageContaining(
                                "The old guest is back from checkpoint " + safety.get());
                assertThat(UnixPeer.pidOf(qmp)).isNotEqualTo(second);
                requireGoesOn(guest, ends.safety());
            }
            endWhoIsThere(qmp);
        }
    }

    private static void rollback(RestoreRequest target, Optional<CheckpointId> safety)
            throws VmckptException {
        RollbackService.rollback(new RollbackRequest(target, safety), ProgressListener.none());
    }

    private static TestGuest guestWithPort() throws IOException {
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        return TestGuest.builder()
                .memory(128 * MIB)
                .vcpus(1)
                .disk(TestDisk.qcow2(16 * MIB))
                .workload(
                        Workload.idle(4 * MIB)
                                .memory(Rate.perSecond(5000))
                                .disk(Rate.perSecond(100)))
                .extraArguments(
                        List.of(
                                "-netdev",
                                "user,id=n,hostfwd=tcp:127.0.0.1:" + port + "-:22",
                                "-device",
                                "virtio-net-pci,netdev=n"))
                .start();
    }
}
