package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.SegmentReader;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.store.UnitState;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.ProbedCheckpoint;
import org.vmckpt.cow.memory.GuestMemory;
import org.vmckpt.cow.memory.HugePagePool;
import org.vmckpt.cow.memory.HugePages;
import org.vmckpt.cow.memory.MemoryTracker;
import org.vmckpt.cow.memory.RamRegion;
import org.vmckpt.cow.restore.RestoreRequest;

/** Guests whose memory is in huge pages are checkpointed while they work, and come back. */
final class HugePagesIT {
    private static final long MIB = 1 << 20;
    private static final long MEMORY_BYTES = 192 * MIB;
    private static final long SMALL_BYTES = 128 * MIB;
    private static final long GUEST_PAGES = MEMORY_BYTES / HugePages.BYTES;
    private static final long UNITS_PER_PAGE = HugePages.BYTES / 4096;
    private static final Duration SOON = Duration.ofSeconds(60);

    /** Fewer than a second guest takes. */
    private static final long SPARE_PAGES = 40;

    /** For each huge page. */
    private static final Duration SLOW_STORE = Duration.ofMillis(20);

    private static final Workload FLAT_OUT = Workload.flatOut(16 * MIB);

    @AutoClose static FileChannel turn;

    @BeforeAll
    static void awaitTurn() throws Exception {
        turn = HugePages.awaitTurn();
    }

    @TempDir Path folder;

    private interface OfGuest {
        void run(TestGuest guest, Store store) throws Exception;
    }

    /** In a memfd of huge pages, of which the host has no more then. */
    private void withHugeGuest(Workload workload, OfGuest test) throws Exception {
        assumeMemfdsAreIgnored();
        try (HugePages _ = HugePages.reserve(GUEST_PAGES);
                TestGuest guest =
                        guest().memoryKind(GuestMemoryKind.HUGE_MEMFD).workload(workload).start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitWork();
            test.run(guest, store);
        }
    }

    private TestGuestBuilder guest() {
        return TestGuest.builder()
                .memory(MEMORY_BYTES)
                .disk(TestDisk.qcow2(8 * MIB))
                .directory(folder.resolve("guest"))
                .secondMonitor()
                .extraArguments(Balloon.DEVICE)
                .workload(Workload.busy(16 * MIB));
    }

    /** QEMU 8.1 and later leave only files out of the device state: the other test is theirs. */
    private static void assumeMemfdsAreIgnored() {
        assumeThat(GuestMemoryKind.usual()).isEqualTo(GuestMemoryKind.MEMFD);
    }

    @Test
    void guestInAMemfdComesBackFromTheSecondEpochWhenThereAreHugePagesForIt() throws Exception {
        assumeMemfdsAreIgnored();
        try (HugePages _ = HugePages.reserve(GUEST_PAGES + SPARE_PAGES);
                TestGuest guest = guest().memoryKind(GuestMemoryKind.HUGE_MEMFD).start()) {
            takeAndRestore(guest, Map.of(guest.folder(), folder.resolve("restored")));
        }
    }

    @Test
    void guestInAFileOnHugetlbfsComesBackLikewise() throws Exception {
        try (HugePages _ = HugePages.reserve(GUEST_PAGES + SPARE_PAGES);
                HugePages.Mount mount = new HugePages.Mount(folder.resolve("huge"));
                TestGuest guest =
                        guest().memoryKind(GuestMemoryKind.FILE)
                                .memoryFolder(mount.folder)
                                .start()) {
            Path file = mount.folder.resolve("memory");
            takeAndRestore(
                    guest,
                    Map.of(
                            guest.folder(),
                            folder.resolve("restored"),
                            file,
                            mount.folder.resolve("restored")));
        }
    }

    private void takeAndRestore(TestGuest guest, Map<Path, Path> maps) throws Exception {
        guest.awaitWork();
        try (Store store = Store.openOrCreate(folder.resolve("store"));
                Epochs epochs = Epochs.of(guest, store)) {
            epochs.take();
            epochs.awaitTwoTicks();
            Manifest second = epochs.take().manifest();
            requireOnlyWhatDiffers(store, second);
            requireEqualMemory(guest, epochs);
            restoreAndRun(store, second, maps, guest);
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    /** Whole huge pages are read, but only their changed parts are stored. */
    private static void requireOnlyWhatDiffers(Store store, Manifest second) throws Exception {
        long wanted = second.statistics().getOrDefault("pagesWanted", -1L);
        assertThat(wanted % UNITS_PER_PAGE).isZero();
        assertThat(wanted / UNITS_PER_PAGE).isBetween(1L, GUEST_PAGES - 1);
        MemoryBlock memory = second.memory().getFirst();
        assertThat(memory.pageSizeBytes()).isEqualTo(4096);
        assertThat(memory.layers()).hasSize(2);
        long stored = 0;
        try (SegmentReader layer = store.openSegment(memory.layers().getLast())) {
            for (long unit = 0; unit < layer.unitCount(); unit++) {
                stored += layer.state(unit) == UnitState.ABSENT ? 0 : 1;
            }
        }
        assertThat(stored).isBetween(1L, wanted - 1);
        System.out.printf("%d units stored, %s%n", stored, second.statistics());
    }

    private void requireEqualMemory(TestGuest guest, Epochs epochs) throws Exception {
        try (QmpClient qmp = QmpClient.connect(guest.secondQmpSocket(), SOON)) {
            qmp.execute("stop");
            RamRegion region = StoredMemory.region(guest, qmp);
            assertThat(region.isHuge()).isTrue();
            StoredMemory.requireEqual(epochs.store(), epochs.take().manifest(), region);
            assertThat(epochs.take().manifest().statistics().get("pagesWanted")).isZero();
            qmp.execute("cont");
        }
    }

    private void restoreAndRun(
            Store store, Manifest manifest, Map<Path, Path> maps, TestGuest original)
            throws Exception {
        Path restoredFolder = folder.resolve("restored");
        RestoreRequest request =
                RestoredGuest.request(store, manifest, restoredFolder).withMaps(maps);
        long missing = GUEST_PAGES - HugePagePool.of(HugePages.BYTES).available();
        assertThat(missing).isPositive();
        assertThatThrownBy(() -> RestoredGuest.restore(restoredFolder, request))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContainingAll(
                        GUEST_PAGES + " huge pages", missing + " are missing", "nr_hugepages");
        assertThat(restoredFolder).isEmptyDirectory();
        try (HugePages _ = HugePages.reserve(missing)) {
            requireGoesOn(restoredFolder, request, original);
        }
    }

    private static void requireGoesOn(Path folder, RestoreRequest request, TestGuest original)
            throws Exception {
        String nonce = original.console().awaitAnyTick(SOON).nonce();
        try (RestoredGuest restored = RestoredGuest.restore(folder, request)) {
            restored.requireGoesOn(nonce);
        }
    }

    @Test
    void guestComesBackInUsualPagesWhereThereAreNoHugeOnes() throws Exception {
        withHugeGuest(
                FLAT_OUT,
                (guest, store) -> {
                    CheckpointReport report =
                            CheckpointService.checkpoint(
                                    PatientRequest.of(guest.qmpSocket(), store),
                                    ProgressListener.none());
                    assertThat(report.engine().chosen()).isEqualTo(EngineName.UFFD);
                    Path restoredFolder = folder.resolve("restored");
                    String memory =
                            "-object memory-backend-memfd,id=ram,share=on,size=" + MEMORY_BYTES;
                    RestoreRequest request =
                            RestoredGuest.request(store, report.manifest(), restoredFolder)
                                    .withMaps(Map.of(guest.folder(), restoredFolder))
                                    .withArguments(List.of(memory));
                    requireGoesOn(restoredFolder, request, guest);
                });
    }

    @Test
    void balloonThatFillsInTheWindowVoidsTheAttempt() throws Exception {
        withHugeGuest(
                FLAT_OUT,
                (guest, store) -> {
                    try (QmpClient qmp = QmpClient.connect(guest.secondQmpSocket(), SOON)) {
                        SlowStore slow = new SlowStore(new Balloon(qmp), SLOW_STORE);
                        AtomicInteger pauses = new AtomicInteger();
                        CheckpointReport report =
                                ProbedCheckpoint.take(
                                        smallBudget(guest, store, qmp),
                                        slow,
                                        moment -> {
                                            if (moment.equals("STOPPED")
                                                    && pauses.getAndIncrement() == 0) {
                                                slow.leave(SMALL_BYTES);
                                            }
                                        });
                        assertThat(pauses.get())
                                .as("the first attempt was voided")
                                .isGreaterThan(1);
                        assertThat(report.warnings())
                                .anyMatch(it -> it.contains("gave memory back"));
                        assertThat(report.engine().chosen()).isEqualTo(EngineName.UFFD);
                    }
                    assertThat(guest.console().verify(SOON).errors()).isZero();
                });
    }

    @Test
    void balloonThatMovedBetweenEpochsHasAllMemoryReadAgain() throws Exception {
        withHugeGuest(
                Workload.idle(16 * MIB),
                (guest, store) -> {
                    try (QmpClient qmp = QmpClient.connect(guest.secondQmpSocket(), SOON);
                            Epochs epochs = Epochs.of(guest, store)) {
                        epochs.take();
                        RamRegion region = StoredMemory.region(guest, qmp);
                        new Balloon(qmp).leaveAndAwait(SMALL_BYTES);
                        qmp.execute("stop");
                        CheckpointReport second = epochs.take();
                        StoredMemory.requireEqual(store, second.manifest(), region);
                        assertThat(second.warnings())
                                .as("known beforehand, not by an attempt in vain")
                                .noneMatch(it -> it.contains("gave memory back"));
                        assertThat(second.manifest().statistics().get("pagesWanted"))
                                .isEqualTo(GUEST_PAGES * UNITS_PER_PAGE);
                        qmp.execute("cont");
                    }
                });
    }

    private static CheckpointRequest smallBudget(TestGuest guest, Store store, QmpClient qmp)
            throws VmckptException {
        List<RamRegion> regions = GuestMemory.inspect(guest.pid(), qmp);
        return PatientRequest.of(guest.qmpSocket(), store)
                .withCowBudget(MemoryTracker.minBudgetBytes(regions));
    }
}
