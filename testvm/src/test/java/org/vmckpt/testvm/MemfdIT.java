package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.Cancellation;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointSeries;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.EngineName;

/**
 * A guest on memfds, with whatever QEMU is there. Since 8.1 it sends a memfd with the devices,
 * which are saved in another way then.
 */
final class MemfdIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int EPOCHS = 3;

    @TempDir Path folder;

    private TestGuestBuilder onMemfd() {
        return TestGuest.builder()
                .memory(192 * MIB)
                .memoryKind(GuestMemoryKind.MEMFD)
                .disk(TestDisk.qcow2(16 * MIB))
                .workload(Workload.busy(16 * MIB));
    }

    private static CheckpointReport checkpoint(TestGuest guest, Store store) throws Exception {
        return CheckpointService.checkpoint(
                PatientRequest.of(guest.qmpSocket(), store), ProgressListener.none());
    }

    private static void awaitWork(TestGuest guest) {
        guest.console()
                .awaitTick(
                        tick -> tick.memoryPages() > 0 && tick.diskWrites() > 0,
                        "memory and disk being written",
                        SOON);
    }

    private void restoreAndRun(Store store, Manifest manifest, TestGuest guest) throws Exception {
        RestoredGuest.requireRestores(
                store, manifest, guest, folder.resolve("restored-" + manifest.id()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"std", "virtio"})
    void loadedGuestIsCapturedByUffdAndComesBack(String vga) throws Exception {
        try (TestGuest guest = onMemfd().extraArguments(List.of("-vga", vga)).start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitBoot();
            awaitWork(guest);
            CheckpointReport report = checkpoint(guest, store);
            assertThat(report.engine().chosen()).isEqualTo(EngineName.UFFD);
            restoreAndRun(store, report.manifest(), guest);
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    @Test
    void seriesComesBackFromItsLastEpoch() throws Exception {
        try (TestGuest guest = onMemfd().vcpus(2).start();
                Store store = Store.openOrCreate(folder.resolve("store"));
                CheckpointSeries series =
                        CheckpointSeries.open(
                                PatientRequest.of(guest.qmpSocket(), store), "test")) {
            guest.awaitBoot();
            awaitWork(guest);
            // The last one has the layers of all.
            for (int epoch = 1; epoch <= EPOCHS; epoch++) {
                Manifest manifest =
                        series.take(ProgressListener.none(), new Cancellation()).manifest();
                assertThat(manifest.memory().getFirst().layers()).hasSize(epoch);
                if (epoch == EPOCHS) {
                    restoreAndRun(store, manifest, guest);
                }
            }
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    /** Its disks would be taken from it by a migration. */
    @Test
    void stoppedGuestStaysStoppedAndKeepsItsDisks() throws Exception {
        try (TestGuest guest = onMemfd().start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            String nonce = guest.awaitBoot().nonce();
            awaitWork(guest);
            try (QmpClient qmp = QmpClient.connect(guest.qmpSocket(), SOON)) {
                qmp.execute("stop");
            }
            checkpoint(guest, store);
            Manifest manifest = checkpoint(guest, store).manifest();
            assertThat(manifest.engine()).isEqualTo(EngineName.UFFD.text());
            try (QmpClient qmp = QmpClient.connect(guest.qmpSocket(), SOON)) {
                assertThat(qmp.execute("query-status").path("status").asText()).isEqualTo("paused");
                qmp.execute("cont");
            }
            long ticks = guest.console().awaitAnyTick(SOON).counter();
            guest.console().awaitTick(ticks + 2, SOON);
            assertThat(guest.console().verify(SOON).errors()).isZero();
            Path home = folder.resolve("restored");
            try (RestoredGuest restored =
                    RestoredGuest.restore(store, manifest, guest.folder(), home)) {
                try (QmpClient qmp = QmpClient.connect(restored.report().qmpPath(), SOON)) {
                    assertThat(qmp.execute("query-status").path("status").asText())
                            .isEqualTo("paused");
                    qmp.execute("cont");
                }
                assertThat(restored.console().awaitAnyTick(SOON).nonce()).isEqualTo(nonce);
                assertThat(restored.console().verify(SOON).errors()).isZero();
            }
        }
    }

    /** Memory with a name next to memory without one; no QEMU since 8.1 can leave both out. */
    @Test
    void memfdBesideAFileIsCapturedOrRefusedBeforeThePause() throws Exception {
        Path file = Path.of("/dev/shm/vmckpt-memfdit-" + ProcessHandle.current().pid());
        try (TestGuest guest =
                        onMemfd()
                                .extraArguments(
                                        List.of(
                                                "-m",
                                                "192M,slots=1,maxmem=256M",
                                                "-object",
                                                "memory-backend-file,id=named,size=64M,share=on,mem-path="
                                                        + file,
                                                "-device",
                                                "pc-dimm,memdev=named"))
                                .start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitBoot();
            CheckpointRequest uffd =
                    PatientRequest.of(guest.qmpSocket(), store).withEngine(EngineName.UFFD);
            boolean refused;
            try (QmpClient qmp = QmpClient.connect(guest.qmpSocket(), SOON)) {
                refused = qmp.version().isAtLeast(8, 1);
            }
            if (refused) {
                assertThatThrownBy(
                                () -> CheckpointService.checkpoint(uffd, ProgressListener.none()))
                        .isInstanceOf(UnsupportedException.class)
                        .hasMessageContaining("memory-backend-file");
            } else {
                CheckpointService.checkpoint(uffd, ProgressListener.none());
            }
            assertThat(guest.console().verify(SOON).errors()).isZero();
        } finally {
            Files.deleteIfExists(file);
        }
    }
}
