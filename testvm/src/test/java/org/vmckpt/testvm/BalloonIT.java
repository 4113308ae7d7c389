package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.MemoryDiscardedException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.ProbedCheckpoint;
import org.vmckpt.cow.memory.MemoryTracker;

/** A guest that gives memory back to its host, in the copy window and between checkpoints. */
final class BalloonIT {
    private static final long MIB = 1 << 20;
    private static final long MEMORY_BYTES = 160 * MIB;
    private static final long SMALL_BYTES = 112 * MIB;
    private static final Workload LOAD = Workload.busy(16 * MIB);
    private static final Duration SOON = Duration.ofSeconds(60);

    /** For each piece of memory. */
    private static final Duration SLOW_STORE = Duration.ofMillis(3);

    private static final int ROUNDS = Integer.getInteger("vmckpt.rounds", 2);

    @TempDir Path folder;

    private TestGuest start() throws Exception {
        TestGuest guest =
                TestGuest.builder()
                        .memory(MEMORY_BYTES)
                        .disk(TestDisk.qcow2(24 * MIB))
                        .directory(folder.resolve("guest"))
                        .secondMonitor()
                        .extraArguments(Balloon.DEVICE)
                        .workload(LOAD)
                        .start();
        guest.awaitWork();
        return guest;
    }

    private static CheckpointRequest request(TestGuest guest, Store store) {
        return PatientRequest.of(guest.qmpSocket(), store)
                .withCowBudget(MemoryTracker.MIN_BUDGET_BYTES);
    }

    @Test
    void checkpointsInWhoseWindowTheBalloonFillsRestoreAndRun() throws Exception {
        try (TestGuest guest = start();
                Store store = Store.openOrCreate(folder.resolve("store"));
                QmpClient qmp = QmpClient.connect(guest.secondQmpSocket(), SOON)) {
            Balloon balloon = new Balloon(qmp);
            SlowStore slow = new SlowStore(balloon, SLOW_STORE);
            for (int round = 0; round < ROUNDS; round++) {
                AtomicInteger pauses = new AtomicInteger();
                CheckpointReport report =
                        ProbedCheckpoint.take(
                                request(guest, store),
                                slow,
                                moment -> {
                                    if (moment.equals("STOPPED") && pauses.getAndIncrement() == 0) {
                                        slow.leave(SMALL_BYTES);
                                    }
                                });
                assertThat(pauses.get()).as("the first attempt was voided").isGreaterThan(1);
                assertThat(report.warnings()).anyMatch(it -> it.contains("gave memory back"));
                assertThat(store.list()).hasSize(round + 1);
                RestoredGuest.requireRestores(
                        store, report.manifest(), guest, folder.resolve("restored-" + round));
                balloon.await(SMALL_BYTES);
                balloon.leaveAndAwait(MEMORY_BYTES);
            }
            assertThat(guest.console().verify(SOON).errors()).isZero();
            assertThat(overlays(guest)).isEqualTo(1);
        }
    }

    private static long overlays(TestGuest guest) throws Exception {
        try (var files = Files.list(guest.folder())) {
            return files.filter(file -> file.toString().contains(".vmckpt-")).count();
        }
    }

    @Test
    void guestThatNeverStopsGivingMemoryBackIsRefusedAndRunsOn() throws Exception {
        try (TestGuest guest = start();
                Store store = Store.openOrCreate(folder.resolve("store"));
                QmpClient qmp = QmpClient.connect(guest.secondQmpSocket(), SOON)) {
            Balloon balloon = new Balloon(qmp);
            SlowStore slow = new SlowStore(balloon, SLOW_STORE);
            AtomicInteger pauses = new AtomicInteger();
            assertThatThrownBy(() ->
                            ProbedCheckpoint.take(
                                    request(guest, store),
                                    slow,
                                    moment -> {
                                        if (moment.equals("STOPPED")) {
                                            int pause = pauses.incrementAndGet();
                                            slow.leave(MEMORY_BYTES - pause * (12 * MIB));
                                        }
                                    }))
                    .isInstanceOf(MemoryDiscardedException.class)
                    .hasMessageContaining("gave memory back");
            assertThat(pauses.get()).as("attempts").isEqualTo(5);
            assertThat(store.list()).isEmpty();
            assertThat(overlays(guest)).isZero();
            balloon.leaveAndAwait(MEMORY_BYTES);
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    @Test
    void epochsBetweenWhichTheBalloonMovesAreTheMemoryByteForByte() throws Exception {
        try (TestGuest guest = start();
                Store store = Store.openOrCreate(folder.resolve("store"));
                QmpClient qmp = QmpClient.connect(guest.secondQmpSocket(), SOON);
                Epochs epochs = Epochs.of(guest, store)) {
            Balloon balloon = new Balloon(qmp);
            for (int round = 1; round < ROUNDS; round++) {
                epochs.take();
                balloon.leaveAndAwait(SMALL_BYTES);
                epochs.requireLiveMemory(qmp);
                balloon.leaveAndAwait(MEMORY_BYTES);
                epochs.requireLiveMemory(qmp);
                // Again, but now it still fills when the next epoch ends.
                balloon.leave(SMALL_BYTES);
                epochs.take();
                epochs.requireLiveMemory(qmp);
                balloon.await(SMALL_BYTES);
                balloon.leaveAndAwait(MEMORY_BYTES);
            }
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }
}
