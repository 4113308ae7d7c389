package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.DiskState;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.checkpoint.ReleaseService;
import org.vmckpt.cow.disk.DiskMaterializer;

/** A guest is checkpointed while it works, and comes back; its own workload is the judge. */
final class EndToEndIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);

    /** Many more by hand: -Dvmckpt.rounds=30. */
    private static final int ROUNDS = Integer.getInteger("vmckpt.rounds", 2);

    private static final int KEPT = 2;

    @TempDir Path folder;

    private static TestGuestBuilder twoDisks() {
        return TestGuest.builder()
                .memory(128 * MIB)
                .vcpus(2)
                .disk(TestDisk.qcow2(24 * MIB))
                .disk(TestDisk.raw(16 * MIB).asBlockdev());
    }

    private static CheckpointReport checkpoint(TestGuest guest, Store store) throws Exception {
        return CheckpointService.checkpoint(
                PatientRequest.of(guest.qmpSocket(), store), ProgressListener.none());
    }

    @Test
    void everyCheckpointOfALoadedGuestRestoresAndRuns() throws Exception {
        try (TestGuest guest =
                        twoDisks()
                                .workload(
                                        Workload.flatOut(32 * MIB)
                                                .stall(4 * MIB, Rate.perSecond(500)))
                                .start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            ConsoleLine.Boot boot = guest.awaitBoot();
            // Later checkpoints share the disk segments of those that are removed.
            Deque<Manifest> kept = new ArrayDeque<>();
            for (int round = 0; round < ROUNDS; round++) {
                Manifest manifest = checkpoint(guest, store).manifest();
                long counterNow = guest.console().awaitAnyTick(SOON).counter();
                restoreAndRun(store, manifest, guest, boot.nonce(), counterNow, round);
                kept.addLast(manifest);
                if (kept.size() > KEPT) {
                    store.remove(kept.removeFirst().id());
                }
            }
            ConsoleLine.Verdict verdict = guest.console().verify(SOON);
            assertThat(verdict.errors()).isZero();
            assertThat(guest.console().faults()).isEmpty();
            assertThat(overlays(guest.folder())).as("one overlay a disk").hasSize(2);
            // A stop writes back what QEMU caches of its images.
            stop(guest);
            requireCleanImages(guest.folder());
        }
    }

    private void restoreAndRun(
            Store store,
            Manifest manifest,
            TestGuest original,
            String nonce,
            long counterLimit,
            int round)
            throws Exception {
        Path home = folder.resolve("restored-" + round);
        try (RestoredGuest restored =
                RestoredGuest.restore(store, manifest, original.folder(), home)) {
            assertThat(restored.requireGoesOn(nonce).counter())
                    .isLessThanOrEqualTo(counterLimit + 8);
            restored.quit();
        }
        requireCleanImages(home.resolve("disks"));
        Folders.delete(home);
    }

    @Test
    void checkpointOfAStoppedGuestEqualsItByteForByte() throws Exception {
        try (TestGuest guest = twoDisks().workload(Workload.flatOut(32 * MIB)).start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitBoot();
            guest.console().awaitTick(8, SOON);
            // Leaves an overlay, which the checkpoint of the stopped guest then folds.
            checkpoint(guest, store);
            stop(guest);
            long blocksBefore = memoryBlocks(guest);
            Manifest manifest = checkpoint(guest, store).manifest();
            assertThat(manifest.guest().running()).isFalse();
            assertThat(memoryBlocks(guest))
                    .as("the guest's memory did not grow")
                    .isEqualTo(blocksBefore);
            StoredMemory.requireEqual(store, manifest, guest);
            requireEqualDisks(store, manifest);
            goOn(guest);
            guest.console().awaitTick(guest.console().awaitAnyTick(SOON).counter() + 4, SOON);
            checkpoint(guest, store);
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    private static void stop(TestGuest guest) throws Exception {
        try (QmpClient qmp = QmpClient.connect(guest.qmpSocket(), SOON)) {
            qmp.execute("stop");
        }
    }

    private static void goOn(TestGuest guest) throws Exception {
        try (QmpClient qmp = QmpClient.connect(guest.qmpSocket(), SOON)) {
            assertThat(qmp.execute("query-status").path("running").asBoolean()).isFalse();
            qmp.execute("cont");
        }
    }

    /** Allocated 512-byte blocks of the memory file. */
    private static long memoryBlocks(TestGuest guest) throws Exception {
        Process stat =
                new ProcessBuilder(
                                "stat",
                                "-L",
                                "-c",
                                "%b",
                                StoredMemory.region(guest).mapFile().toString())
                        .start();
        return Long.parseLong(
                new String(stat.getInputStream().readAllBytes(), StandardCharsets.US_ASCII)
                        .strip());
    }

    private void requireEqualDisks(Store store, Manifest manifest) throws Exception {
        assertThat(manifest.disks()).hasSize(2);
        for (DiskState disk : manifest.disks()) {
            Path raw = folder.resolve("materialized.raw");
            DiskMaterializer.materialize(
                    store, disk.layers(), disk.virtualSizeBytes(), raw, ProgressListener.none());
            run(
                    "qemu-img",
                    "compare",
                    "-U",
                    "-f",
                    "raw",
                    "-F",
                    disk.format(),
                    raw.toString(),
                    disk.argumentPath());
            Files.delete(raw);
        }
    }

    @Test
    void oneCheckpointRestoresManyTimesSideBySide() throws Exception {
        try (TestGuest guest = twoDisks().workload(Workload.busy(16 * MIB)).start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            ConsoleLine.Boot boot = guest.awaitBoot();
            Manifest manifest = checkpoint(guest, store).manifest();
            try (RestoredGuest first =
                            RestoredGuest.restore(
                                    store, manifest, guest.folder(), folder.resolve("first"));
                    RestoredGuest second =
                            RestoredGuest.restore(
                                    store, manifest, guest.folder(), folder.resolve("second"))) {
                first.requireGoesOn(boot.nonce());
                second.requireGoesOn(boot.nonce());
            }
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    @Test
    void restoredGuestCanBeCheckpointedAndRestoredAgain() throws Exception {
        try (TestGuest guest = twoDisks().workload(Workload.busy(16 * MIB)).start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            ConsoleLine.Boot boot = guest.awaitBoot();
            Manifest manifest = checkpoint(guest, store).manifest();
            Path home = folder.resolve("child");
            try (RestoredGuest child =
                    RestoredGuest.restore(store, manifest, guest.folder(), home)) {
                child.console().awaitAnyTick(SOON);
                Manifest again =
                        CheckpointService.checkpoint(
                                        PatientRequest.of(child.report().qmpPath(), store),
                                        ProgressListener.none())
                                .manifest();
                try (RestoredGuest grandchild =
                        RestoredGuest.restore(store, again, home, folder.resolve("grandchild"))) {
                    grandchild.requireGoesOn(boot.nonce());
                }
                child.requireGoesOn(boot.nonce());
            }
        }
    }

    @Test
    void guestOfAQ35MachineIsExportedImportedAndRestored() throws Exception {
        try (TestGuest guest = twoDisks().machine("q35").workload(Workload.busy(16 * MIB)).start();
                Store here = Store.openOrCreate(folder.resolve("here"));
                Store there = Store.openOrCreate(folder.resolve("there"))) {
            guest.awaitBoot();
            checkpoint(guest, here);
            Manifest manifest = checkpoint(guest, here).manifest();
            Path stream = folder.resolve("stream");
            try (var out = Files.newOutputStream(stream)) {
                here.exportTo(manifest, out, ProgressListener.none());
            }
            Manifest imported;
            try (var in = Files.newInputStream(stream)) {
                imported = there.importFrom(in, ProgressListener.none());
            }
            assertThat(imported).isEqualTo(manifest);
            RestoredGuest.requireRestores(there, imported, guest, folder.resolve("restored"));
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    @Test
    void releasedGuestWritesToItsOwnFilesAgain() throws Exception {
        try (TestGuest guest = twoDisks().workload(Workload.busy(16 * MIB)).start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitBoot();
            checkpoint(guest, store);
            assertThat(overlays(guest.folder())).hasSize(2);
            assertThat(
                            ReleaseService.release(
                                    GuestAddress.of(guest.qmpSocket()), ProgressListener.none()))
                    .isEqualTo(2);
            assertThat(overlays(guest.folder())).isEmpty();
            assertThat(guest.console().verify(SOON).errors()).isZero();
            stop(guest);
            requireCleanImages(guest.folder());
            goOn(guest);
            Manifest manifest = checkpoint(guest, store).manifest();
            RestoredGuest.requireRestores(store, manifest, guest, folder.resolve("restored"));
        }
    }

    private static List<Path> overlays(Path directory) throws IOException {
        try (var files = Files.list(directory)) {
            return files.filter(file -> file.toString().contains(".vmckpt-")).toList();
        }
    }

    private static void requireCleanImages(Path directory) throws Exception {
        try (var files = Files.list(directory)) {
            for (Path file : files.filter(it -> it.toString().endsWith(".qcow2")).toList()) {
                run("qemu-img", "check", "-U", "-f", "qcow2", file.toString());
            }
        }
    }

    private static void run(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        process.getInputStream().transferTo(output);
        assertThat(process.waitFor()).as("%s: %s", String.join(" ", command), output).isZero();
    }
}
