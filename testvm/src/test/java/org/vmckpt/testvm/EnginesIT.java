package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.LayeredReader;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.EngineChoice;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.EngineVerdict;
import org.vmckpt.cow.checkpoint.EngineVerdict.Cause;
import org.vmckpt.cow.memory.GuestMemory;
import org.vmckpt.cow.memory.RamRegion;

/** Every kind of guest memory with every engine that it allows. */
final class EnginesIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int ROUNDS = Integer.getInteger("vmckpt.engine.rounds", 2);

    @TempDir Path folder;

    private static TestGuestBuilder guestOn(GuestMemoryKind memory) {
        return TestGuest.builder()
                .memory(192 * MIB)
                .vcpus(2)
                .memoryKind(memory)
                .disk(TestDisk.qcow2(24 * MIB))
                .disk(TestDisk.raw(16 * MIB).asBlockdev())
                .workload(Workload.flatOut(24 * MIB).stall(4 * MIB, Rate.perSecond(500)));
    }

    private static CheckpointReport checkpoint(TestGuest guest, Store store, EngineName engine)
            throws Exception {
        return CheckpointService.checkpoint(
                CheckpointRequest.of(guest.qmpSocket(), store).withEngine(engine),
                ProgressListener.none());
    }

    @ParameterizedTest
    @CsvSource({
        "ANONYMOUS, BACKGROUND",
        "ANONYMOUS, PAUSE",
        "PRIVATE_FILE, PAUSE",
        "MEMFD, BACKGROUND",
        "FILE, PAUSE"
    })
    void loadedGuestIsSavedAgainAndAgainAndComesBack(GuestMemoryKind memory, EngineName engine)
            throws Exception {
        try (TestGuest guest = guestOn(memory).start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            ConsoleLine.Boot boot = guest.awaitBoot();
            for (int round = 0; round < ROUNDS; round++) {
                CheckpointReport report = checkpoint(guest, store, engine);
                Manifest manifest = report.manifest();
                System.out.printf("%s %s: %s%n", memory, engine, manifest.statistics());
                assertThat(manifest.engine()).isEqualTo(engine.text());
                assertThat(manifest.memoryBytes()).isEqualTo(192 * MIB);
                long counterNow = guest.console().awaitAnyTick(SOON).counter();
                restoreAndJudge(store, manifest, guest, boot.nonce(), counterNow, round);
            }
            assertThat(guest.console().verify(SOON).errors()).isZero();
            assertThat(guest.console().faults()).isEmpty();
        }
    }

    private void restoreAndJudge(
            Store store,
            Manifest manifest,
            TestGuest original,
            String nonce,
            long counterLimit,
            int round)
            throws Exception {
        try (RestoredGuest restored =
                RestoredGuest.restore(
                        store,
                        manifest,
                        original.folder(),
                        folder.resolve("restored-" + round),
                        false)) {
            ConsoleLine.Tick first = restored.console().awaitAnyTick(SOON);
            assertThat(first.nonce()).isEqualTo(nonce);
            assertThat(first.counter()).isLessThanOrEqualTo(counterLimit + 8);
            restored.console().awaitTick(first.counter() + 1, SOON);
            assertThat(restored.console().verify(SOON).errors()).as("round %d", round).isZero();
            assertThat(restored.console().faults()).as("round %d", round).isEmpty();
        }
    }

    @Test
    void autoTakesTheFirstThatPrivateMemoryAllowsAndSaysWhy() throws Exception {
        try (TestGuest guest = guestOn(GuestMemoryKind.ANONYMOUS).start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitBoot();
            CheckpointReport report =
                    CheckpointService.checkpoint(
                            CheckpointRequest.of(guest.qmpSocket(), store),
                            ProgressListener.none());
            assertThat(report.engine().chosen()).isEqualTo(EngineName.BACKGROUND);
            assertThat(report.engine().reasons())
                    .singleElement()
                    .asString()
                    .contains("uffd", "private");
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    @Test
    void autoFallsBackToThePauseForAPrivateFile() throws Exception {
        try (TestGuest guest = guestOn(GuestMemoryKind.PRIVATE_FILE).start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitBoot();
            CheckpointReport report =
                    CheckpointService.checkpoint(
                            CheckpointRequest.of(guest.qmpSocket(), store),
                            ProgressListener.none());
            assertThat(report.engine().chosen()).isEqualTo(EngineName.PAUSE);
            assertThat(report.engine().verdicts().get(1).obstacles())
                    .singleElement()
                    .matches(obstacle -> obstacle.cause() == Cause.MEMORY);
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    @Test
    void autoPassesASnapshotOverThatWouldStartAStoppedGuest() throws Exception {
        try (TestGuest guest = guestOn(GuestMemoryKind.ANONYMOUS).start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            ConsoleLine.Boot boot = guest.awaitBoot();
            qmp(guest, "stop");
            assertThatThrownBy(() -> checkpoint(guest, store, EngineName.BACKGROUND))
                    .isInstanceOf(UnsupportedException.class)
                    .hasMessageContaining("would start it");
            CheckpointReport report =
                    CheckpointService.checkpoint(
                            CheckpointRequest.of(guest.qmpSocket(), store),
                            ProgressListener.none());
            assertThat(report.engine().chosen()).isEqualTo(EngineName.PAUSE);
            qmp(guest, "cont");
            try (RestoredGuest restored =
                    RestoredGuest.restore(
                            store,
                            report.manifest(),
                            guest.folder(),
                            folder.resolve("restored"),
                            true)) {
                assertThat(report.manifest().guest().running()).isFalse();
                try (QmpClient qmp = QmpClient.connect(restored.report().qmpPath(), SOON)) {
                    qmp.execute("cont");
                }
                assertThat(restored.console().awaitAnyTick(SOON).nonce()).isEqualTo(boot.nonce());
                assertThat(restored.console().verify(SOON).errors()).isZero();
            }
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    private static void qmp(TestGuest guest, String command) throws Exception {
        try (QmpClient qmp = QmpClient.connect(guest.qmpSocket(), SOON)) {
            qmp.execute(command);
        }
    }

    @Test
    void verdictsNameWhatIsInTheWay() throws Exception {
        try (TestGuest guest = guestOn(GuestMemoryKind.ANONYMOUS).start();
                QmpClient qmp = QmpClient.connect(guest.qmpSocket(), SOON)) {
            List<EngineVerdict> verdicts = EngineChoice.assess(guest.pid(), qmp);
            assertThat(verdicts)
                    .extracting(EngineVerdict::engine)
                    .containsExactly(EngineName.values());
            assertThat(verdicts)
                    .extracting(EngineVerdict::usable)
                    .containsExactly(false, true, true);
            assertThat(verdicts.getFirst().obstacles())
                    .singleElement()
                    .matches(obstacle -> obstacle.cause() == Cause.MEMORY);
            qmp.execute("stop");
            assertThat(EngineChoice.assess(guest.pid(), qmp).get(1).obstacles())
                    .singleElement()
                    .matches(obstacle -> obstacle.cause() == Cause.GUEST_STATE);
        }
    }

    @Test
    void memoryOfAStoppedGuestIsStoredByteForByte() throws Exception {
        try (TestGuest guest = guestOn(GuestMemoryKind.MEMFD).start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitBoot();
            guest.console().awaitTick(4, SOON);
            qmp(guest, "stop");
            Manifest manifest = checkpoint(guest, store, EngineName.PAUSE).manifest();
            requireEqualMemory(store, manifest, guest);
            qmp(guest, "cont");
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    private static void requireEqualMemory(Store store, Manifest manifest, TestGuest guest)
            throws Exception {
        RamRegion region;
        try (QmpClient qmp = QmpClient.connect(guest.qmpSocket(), SOON)) {
            region = GuestMemory.inspect(guest.pid(), qmp).getFirst();
        }
        MemoryBlock block = manifest.memory().getFirst();
        assertThat(block.id()).isEqualTo(region.id());
        assertThat(block.sizeBytes()).isEqualTo(region.sizeBytes());
        ByteBuffer live = ByteBuffer.allocate(region.pageSizeBytes());
        ByteBuffer stored = ByteBuffer.allocate(region.pageSizeBytes());
        try (FileChannel memory = FileChannel.open(region.mapFile(), StandardOpenOption.READ);
                LayeredReader reader = store.openLayers(block.layers())) {
            for (long page = 0; page < region.pageCount(); page++) {
                memory.read(live.clear(), region.fileOffset() + page * region.pageSizeBytes());
                reader.read(page, stored.clear());
                assertThat(stored.flip()).as("page %d", page).isEqualTo(live.flip());
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = EngineName.class,
            names = {"BACKGROUND", "PAUSE"})
    void restoredGuestOfPrivateMemoryIsSavedAndRestoredAgain(EngineName engine) throws Exception {
        try (TestGuest guest = guestOn(GuestMemoryKind.ANONYMOUS).machine("q35").start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            ConsoleLine.Boot boot = guest.awaitBoot();
            Manifest manifest = checkpoint(guest, store, engine).manifest();
            Path home = folder.resolve("child");
            try (RestoredGuest child =
                    RestoredGuest.restore(store, manifest, guest.folder(), home, false)) {
                child.console().awaitAnyTick(SOON);
                Manifest again =
                        CheckpointService.checkpoint(
                                        CheckpointRequest.of(child.report().qmpPath(), store)
                                                .withEngine(engine),
                                        ProgressListener.none())
                                .manifest();
                try (RestoredGuest grandchild =
                        RestoredGuest.restore(
                                store, again, home, folder.resolve("grandchild"), false)) {
                    assertThat(grandchild.console().awaitAnyTick(SOON).nonce())
                            .isEqualTo(boot.nonce());
                    assertThat(grandchild.console().verify(SOON).errors()).isZero();
                }
            }
        }
    }
}
