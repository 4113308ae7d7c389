package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.restore.RestoredDisk;
import org.vmckpt.cow.serving.ControlClient;

/** A guest whose disk is a volume that vmckpt serves is checkpointed, and restored without it. */
final class VolumeCheckpointIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int SOME_WRITES = 100;

    /** The guest uses whole blocks of 4 KiB. */
    private static final int LAST_BYTES = 2048;

    private static final byte LAST = 9;
    private static final int SIZE = (int) (16 * MIB) + LAST_BYTES;

    @TempDir private Path folder;

    private CheckpointReport checkpoint(TestGuest guest, Store store) throws Exception {
        return CheckpointService.checkpoint(
                PatientRequest.of(guest.qmpSocket(), store), ProgressListener.none());
    }

    private TestGuestBuilder guestOn(Path socket) {
        return TestGuest.builder()
                .memory(128 * MIB)
                .vcpus(1)
                .extraArguments(VolumeProcess.disk("v", socket))
                .workload(Workload.busy(4 * MIB));
    }

    /** A base on a file of its own, which alone has what the guest never touches. */
    private Path makeBase() {
        Path lower = folder.resolve("lower.qcow2");
        Path base = folder.resolve("base.qcow2");
        Commands.run(
                List.of("qemu-img", "create", "-q", "-f", "qcow2", lower.toString(), "" + SIZE));
        Commands.run(
                List.of(
                        "qemu-io",
                        "-f",
                        "qcow2",
                        "-c",
                        "write -P %d %d %d".formatted(LAST, SIZE - LAST_BYTES, LAST_BYTES),
                        lower.toString()));
        Commands.run(
                List.of(
                        "qemu-img",
                        "create",
                        "-q",
                        "-f",
                        "qcow2",
                        "-F",
                        "qcow2",
                        "-b",
                        lower.toString(),
                        base.toString()));
        return base;
    }

    private static void assertHasLastBytes(RestoredGuest restored) throws Exception {
        byte[] last = new byte[LAST_BYTES];
        Arrays.fill(last, LAST);
        for (RestoredDisk disk : restored.report().disks()) {
            if (disk.argumentPath().startsWith("nbd")) {
                byte[] content = Files.readAllBytes(disk.base());
                assertThat(Arrays.copyOfRange(content, SIZE - LAST_BYTES, SIZE)).isEqualTo(last);
                return;
            }
        }
        throw new AssertionError("no volume among " + restored.report().disks());
    }

    @Test
    void theVolumeIsForkedAndARestoredGuestNeedsNoServer() throws Exception {
        Path volume = folder.resolve("v");
        Path socket = folder.resolve("s");
        VolumeProcess.run(
                "create",
                volume.toString(),
                "--base",
                makeBase().toString(),
                "--base-format",
                "qcow2");
        Path control = Files.createDirectory(folder.resolve("elsewhere")).resolve("c");
        VolumeProcess server = VolumeProcess.start(volume, socket, "--control", control.toString());
        try (Store store = Store.openOrCreate(folder.resolve("store"))) {
            Manifest last;
            Path original;
            String nonce;
            try (TestGuest guest = guestOn(socket).disk(TestDisk.qcow2(8 * MIB)).start()) {
                ConsoleLine.Boot boot = guest.awaitBoot();
                assertThat(boot.disks()).hasSize(2);
                nonce = boot.nonce();
                original = guest.folder();
                awaitMoreWrites(guest);
                checkpoint(guest, store);
                awaitMoreWrites(guest);
                last = checkpoint(guest, store).manifest();
                try (ControlClient client = ControlClient.connect(control)) {
                    var status = client.status().path("volumes").path(0);
                    assertThat(status.path("holds")).as("holds that are left").isEmpty();
                }
                awaitMoreWrites(guest);
                assertThat(guest.console().verify(SOON).errors()).isZero();
                assertThat(guest.console().faults()).isEmpty();
            }
            server.end();
            assertThat(folder.resolve("s.control")).doesNotExist();
            assertThat(last.disks())
                    .anySatisfy(disk ->
                            assertThat(disk.argumentPath())
                                    .isEqualTo("nbd+unix:///v?socket=" + socket));
            try (RestoredGuest restored =
                    RestoredGuest.restore(store, last, original, folder.resolve("restored"))) {
                restored.requireGoesOn(nonce);
                assertHasLastBytes(restored);
                restored.quit();
            }
        } finally {
            server.close();
        }
    }

    @Test
    void anNbdDiskOfSomebodyElseIsRefusedByName() throws Exception {
        Path volume = folder.resolve("v");
        Path socket = folder.resolve("s");
        VolumeProcess.run("create", volume.toString(), "--size", "16M");
        try (var _ = VolumeProcess.start(volume, socket);
                TestGuest guest = guestOn(socket).start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitBoot();
            Files.delete(folder.resolve("s.control"));
            assertThatThrownBy(() -> checkpoint(guest, store))
                    .isInstanceOf(UnsupportedException.class)
                    .hasMessageContaining("vol uses the driver nbd over nbd+unix:///v?socket=")
                    .hasMessageContaining("no vmckpt volume serve");
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    private static void awaitMoreWrites(TestGuest guest) {
        long before = guest.console().latestTick().map(ConsoleLine.Tick::diskWrites).orElse(0L);
        guest.console().awaitTick(it -> it.diskWrites() > before + SOME_WRITES, "writes", SOON);
    }
}
