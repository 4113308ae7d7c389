package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.EngineChoice;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.EngineVerdict;
import org.vmckpt.cow.checkpoint.EngineVerdict.Cause;

/** Every kind of guest memory with every engine that it allows. */
final class EnginesIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int ROUNDS = Integer.getInteger("vmckpt.engine.rounds", 2);

    @TempDir Path folder;

    @AutoClose private Store store;

    @BeforeEach
    void openStore() throws Exception {
        store = Store.openOrCreate(folder.resolve("store"));
    }

    private static TestGuestBuilder guestOn(GuestMemoryKind memory) {
        return TestGuest.builder()
                .memory(128 * MIB)
                .vcpus(2)
                .memoryKind(memory)
                .disk(TestDisk.qcow2(24 * MIB))
                .disk(TestDisk.raw(16 * MIB).asBlockdev())
                .workload(Workload.busy(24 * MIB).stall(4 * MIB, Rate.perSecond(500)));
    }

    private CheckpointReport checkpoint(Path qmpSocket, EngineName engine) throws Exception {
        return CheckpointService.checkpoint(
                PatientRequest.of(qmpSocket, store).withEngine(engine), ProgressListener.none());
    }

    /** By the engine that is taken when nobody asks for one. */
    private CheckpointReport checkpoint(TestGuest guest) throws Exception {
        return CheckpointService.checkpoint(
                PatientRequest.of(guest.qmpSocket(), store), ProgressListener.none());
    }

    /** Anonymous memory is that of the restored guest below. */
    @ParameterizedTest
    @CsvSource({"PRIVATE_FILE, PAUSE", "MEMFD, BACKGROUND", "FILE, PAUSE"})
    void loadedGuestIsSavedAgainAndAgainAndComesBack(GuestMemoryKind memory, EngineName engine)
            throws Exception {
        try (TestGuest guest = guestOn(memory).start()) {
            guest.awaitBoot();
            for (int round = 1; round <= ROUNDS; round++) {
                CheckpointReport report = checkpoint(guest.qmpSocket(), engine);
                Manifest manifest = report.manifest();
                System.out.printf("%s %s: %s%n", memory, engine, manifest.statistics());
                assertThat(manifest.engine()).isEqualTo(engine.text());
                assertThat(manifest.memoryBytes()).isEqualTo(128 * MIB);
                if (round == ROUNDS) {
                    Path home = folder.resolve("restored");
                    RestoredGuest.requireRestores(store, manifest, guest, home);
                }
            }
            assertThat(guest.console().verify(SOON).errors()).isZero();
            assertThat(guest.console().faults()).isEmpty();
        }
    }

    @Test
    void autoTakesTheFirstThatPrivateMemoryAllowsAndSaysWhy() throws Exception {
        try (TestGuest guest = guestOn(GuestMemoryKind.ANONYMOUS).start()) {
            guest.awaitBoot();
            CheckpointReport report = checkpoint(guest);
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
        try (TestGuest guest = guestOn(GuestMemoryKind.PRIVATE_FILE).start()) {
            guest.awaitBoot();
            CheckpointReport report = checkpoint(guest);
            assertThat(report.engine().chosen()).isEqualTo(EngineName.PAUSE);
            assertThat(report.engine().verdicts().get(1).obstacles())
                    .singleElement()
                    .matches(obstacle -> obstacle.cause() == Cause.MEMORY);
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    @Test
    void autoPassesASnapshotOverThatWouldStartAStoppedGuest() throws Exception {
        try (TestGuest guest = guestOn(GuestMemoryKind.ANONYMOUS).start()) {
            ConsoleLine.Boot boot = guest.awaitBoot();
            qmp(guest, "stop");
            assertThatThrownBy(() -> checkpoint(guest.qmpSocket(), EngineName.BACKGROUND))
                    .isInstanceOf(UnsupportedException.class)
                    .hasMessageContaining("would start it");
            CheckpointReport report = checkpoint(guest);
            assertThat(report.engine().chosen()).isEqualTo(EngineName.PAUSE);
            qmp(guest, "cont");
            try (RestoredGuest restored =
                    RestoredGuest.restorePaused(
                            store, report.manifest(), guest.folder(), folder.resolve("restored"))) {
                assertThat(report.manifest().guest().running()).isFalse();
                try (QmpClient qmp = QmpClient.connect(restored.report().qmpPath(), SOON)) {
                    qmp.execute("cont");
                }
                restored.requireGoesOn(boot.nonce());
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
        try (TestGuest guest = guestOn(GuestMemoryKind.MEMFD).start()) {
            guest.awaitWork();
            qmp(guest, "stop");
            Manifest manifest = checkpoint(guest.qmpSocket(), EngineName.PAUSE).manifest();
            StoredMemory.requireEqual(store, manifest, guest);
            qmp(guest, "cont");
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = EngineName.class,
            names = {"BACKGROUND", "PAUSE"})
    void restoredGuestOfPrivateMemoryIsSavedAndRestoredAgain(EngineName engine) throws Exception {
        try (TestGuest guest = guestOn(GuestMemoryKind.ANONYMOUS).machine("q35").start()) {
            ConsoleLine.Boot boot = guest.awaitBoot();
            Manifest manifest = checkpoint(guest.qmpSocket(), engine).manifest();
            Path home = folder.resolve("child");
            try (RestoredGuest child =
                    RestoredGuest.restore(store, manifest, guest.folder(), home)) {
                child.console().awaitAnyTick(SOON);
                Manifest again = checkpoint(child.report().qmpPath(), engine).manifest();
                try (RestoredGuest grandchild =
                        RestoredGuest.restore(store, again, home, folder.resolve("grandchild"))) {
                    grandchild.requireGoesOn(boot.nonce());
                }
            }
        }
    }
}
