package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.Cancellation;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.memory.RamRegion;

/** Checkpoints that hold only what changed, while the guest works. */
final class SeriesIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final long PAGES = 128 * MIB / 4096;

    @TempDir Path folder;

    private TestGuest start(Workload workload) throws Exception {
        TestGuest guest =
                TestGuest.builder()
                        .memory(128 * MIB)
                        .vcpus(2)
                        .disk(TestDisk.qcow2(24 * MIB))
                        .disk(TestDisk.raw(16 * MIB).asBlockdev())
                        .directory(folder.resolve("guest"))
                        .secondMonitor()
                        .workload(workload)
                        .start();
        guest.awaitWork();
        return guest;
    }

    @Test
    void everyEpochOfALoadedGuestRestoresAndRuns() throws Exception {
        try (TestGuest guest = start(Workload.flatOut(24 * MIB));
                Store store = Store.openOrCreate(folder.resolve("store"));
                Epochs epochs = Epochs.of(guest, store)) {
            List<Manifest> manifests = new ArrayList<>();
            for (int epoch = 0; epoch < 5; epoch++) {
                Manifest manifest = epochs.take().manifest();
                assertThat(manifest.series()).contains("test");
                assertThat(layers(manifest)).isEqualTo(epoch + 1);
                long wanted = manifest.statistics().getOrDefault("pagesWanted", -1L);
                assertThat(wanted).isBetween(1L, epoch == 0 ? PAGES : PAGES - 1);
                manifests.add(manifest);
            }
            for (int epoch : new int[] {1, 4}) {
                restoreAndRun(store, manifests.get(epoch), guest);
            }
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    private static int layers(Manifest manifest) {
        return manifest.memory().getFirst().layers().size();
    }

    private void restoreAndRun(Store store, Manifest manifest, TestGuest original)
            throws Exception {
        RestoredGuest.requireRestores(
                store, manifest, original, folder.resolve("restored-" + manifest.id()));
    }

    @Test
    void layersOfAllEpochsTogetherAreTheMemoryByteForByte() throws Exception {
        try (TestGuest guest = start(Workload.busy(24 * MIB));
                Store store = Store.openOrCreate(folder.resolve("store"));
                QmpClient qmp = QmpClient.connect(guest.secondQmpSocket(), SOON);
                Epochs epochs = Epochs.of(guest, store)) {
            for (int round = 0; round < 2; round++) {
                epochs.take();
                epochs.take();
                qmp.execute("stop");
                RamRegion region = StoredMemory.region(guest, qmp);
                StoredMemory.requireEqual(store, epochs.take().manifest(), region);
                // Nothing ran since: the same layers are the same memory.
                Manifest again = epochs.take().manifest();
                assertThat(again.statistics().get("pagesWanted")).isZero();
                StoredMemory.requireEqual(store, again, region);
                qmp.execute("cont");
                epochs.awaitTwoTicks();
            }
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    @Test
    void lostTrackerReadsEverythingAndStoresWhatDiffers() throws Exception {
        try (TestGuest guest = start(Workload.idle(24 * MIB));
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            CheckpointRequest request = PatientRequest.of(guest.qmpSocket(), store);
            MemoryBlock first = memoryOf(CheckpointService.checkpoint(request, none()));
            CheckpointReport second = CheckpointService.checkpoint(request, none());
            assertThat(memoryOf(second).layers()).startsWith(first.layers().getFirst());
            assertThat(second.memoryReadBytes()).isGreaterThan(24 * MIB);
            assertThat(second.storedBytes())
                    .isLessThan(store.storedBytes(store.list().getFirst()) / 2);
            try (Epochs epochs = Epochs.of(guest, store)) {
                assertThat(layers(epochs.take().manifest())).isEqualTo(3);
            }
            try (QmpClient qmp = QmpClient.connect(guest.qmpSocket(), SOON)) {
                qmp.execute("stop");
            }
            Manifest last = CheckpointService.checkpoint(request, none()).manifest();
            try (QmpClient qmp = QmpClient.connect(guest.qmpSocket(), SOON)) {
                RamRegion region = StoredMemory.region(guest, qmp);
                StoredMemory.requireEqual(store, last, region);
                qmp.execute("cont");
            }
            restoreAndRun(store, CheckpointService.checkpoint(request, none()).manifest(), guest);
        }
    }

    private static ProgressListener none() {
        return ProgressListener.none();
    }

    private static MemoryBlock memoryOf(CheckpointReport report) {
        return report.manifest().memory().getFirst();
    }

    @Test
    void failedEpochLosesNothingAndTheSeriesGoesOn() throws Exception {
        try (TestGuest guest = start(Workload.busy(24 * MIB));
                Store store = Store.openOrCreate(folder.resolve("store"));
                QmpClient qmp = QmpClient.connect(guest.secondQmpSocket(), SOON);
                Epochs epochs = Epochs.of(guest, store)) {
            epochs.take();
            Cancellation cancelled = new Cancellation();
            assertThatThrownBy(() ->
                            epochs.series()
                                    .take(
                                            (phase, done, total, unit) -> {
                                                if (phase.equals("store memory")) {
                                                    cancelled.cancel();
                                                }
                                            },
                                            cancelled))
                    .isInstanceOf(RefusedException.class);
            assertThat(store.list()).hasSize(1);
            epochs.awaitTwoTicks();
            // A parent that somebody removed is not built on.
            store.remove(epochs.take().manifest().id());
            epochs.take();
            epochs.requireLiveMemory(qmp);
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }
}
