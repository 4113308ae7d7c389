package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Json;
import org.vmckpt.core.MemoryDiscardedException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.Cancellation;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointSeries;
import org.vmckpt.cow.checkpoint.ProbedCheckpoint;
import org.vmckpt.cow.memory.MemoryTracker;
import org.vmckpt.cow.memory.RamRegion;

/** A guest that gives memory back to its host, in the copy window and between checkpoints. */
final class BalloonIT {
    private static final long MIB = 1 << 20;
    private static final long MEMORY_BYTES = 160 * MIB;
    private static final long SMALL_BYTES = 112 * MIB;
    private static final Workload LOAD =
            Workload.flatOut(16 * MIB).stall(4 * MIB, Rate.IDLE).disk(Rate.perSecond(200));
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final long POLL_NANOS = 20_000_000;

    /**
     * Each piece of memory takes the store so long that the window outlasts the balloon's start.
     */
    private static final long SLOW_STORE_NANOS = 3_000_000;

    private static final int ROUNDS = Integer.getInteger("vmckpt.rounds", 2);

    @TempDir Path folder;

    private TestGuest start(Workload workload) throws Exception {
        TestGuest guest =
                TestGuest.builder()
                        .memory(MEMORY_BYTES)
                        .vcpus(2)
                        .disk(TestDisk.qcow2(24 * MIB))
                        .directory(Files.createDirectories(folder.resolve("guest")))
                        .extraArguments(
                                List.of(
                                        "-device",
                                        "virtio-balloon-pci,id=balloon",
                                        "-qmp",
                                        "unix:" + second() + ",server=on,wait=off"))
                        .workload(workload)
                        .start();
        guest.awaitBoot();
        guest.console().awaitTick(4, SOON);
        return guest;
    }

    /** The checkpoint holds the first socket; the balloon is moved through this one. */
    private Path second() {
        return folder.resolve("guest/second.sock");
    }

    private static void setMemory(QmpClient qmp, long bytes) {
        try {
            qmp.execute("balloon", Json.MAPPER.createObjectNode().put("value", bytes));
        } catch (VmckptException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void awaitMemory(QmpClient qmp, long bytes) throws VmckptException {
        long deadline = System.nanoTime() + SOON.toNanos();
        while (qmp.execute("query-balloon").path("actual").asLong() != bytes) {
            assertThat(System.nanoTime()).as("the balloon moves").isLessThan(deadline);
            LockSupport.parkNanos(POLL_NANOS);
        }
    }

    private static CheckpointRequest request(TestGuest guest, Store store) {
        CheckpointRequest usual = CheckpointRequest.of(guest.qmpSocket(), store);
        return new CheckpointRequest(
                usual.qmpSocket(),
                store,
                usual.name(),
                OptionalLong.of(MemoryTracker.MIN_BUDGET_BYTES),
                usual.drainTimeout(),
                usual.engine(),
                usual.full());
    }

    private static ProgressListener slowStore() {
        return (phase, done, total, unit) -> {
            if (phase.equals("store memory")) {
                LockSupport.parkNanos(SLOW_STORE_NANOS);
            }
        };
    }

    @Test
    void checkpointsInWhoseWindowTheBalloonFillsRestoreAndRun() throws Exception {
        try (TestGuest guest = start(LOAD);
                Store store = Store.openOrCreate(folder.resolve("store"));
                QmpClient qmp = QmpClient.connect(second(), SOON)) {
            for (int round = 0; round < ROUNDS; round++) {
                AtomicInteger pauses = new AtomicInteger();
                CheckpointReport report =
                        ProbedCheckpoint.take(
                                request(guest, store),
                                slowStore(),
                                moment -> {
                                    if (moment.equals("STOPPED") && pauses.getAndIncrement() == 0) {
                                        setMemory(qmp, SMALL_BYTES);
                                    }
                                });
                assertThat(pauses.get()).as("the first attempt was voided").isGreaterThan(1);
                assertThat(report.warnings()).anyMatch(it -> it.contains("gave memory back"));
                assertThat(store.list()).hasSize(round + 1);
                RestoredGuest.requireRestores(
                        store, report.manifest(), guest, folder.resolve("restored-" + round));
                awaitMemory(qmp, SMALL_BYTES);
                setMemory(qmp, MEMORY_BYTES);
                awaitMemory(qmp, MEMORY_BYTES);
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
        try (TestGuest guest = start(LOAD);
                Store store = Store.openOrCreate(folder.resolve("store"));
                QmpClient qmp = QmpClient.connect(second(), SOON)) {
            AtomicInteger pauses = new AtomicInteger();
            assertThatThrownBy(() ->
                            ProbedCheckpoint.take(
                                    request(guest, store),
                                    slowStore(),
                                    moment -> {
                                        if (moment.equals("STOPPED")) {
                                            int pause = pauses.incrementAndGet();
                                            setMemory(qmp, MEMORY_BYTES - pause * (12 * MIB));
                                        }
                                    }))
                    .isInstanceOf(MemoryDiscardedException.class)
                    .hasMessageContaining("gave memory back");
            assertThat(pauses.get()).as("attempts").isEqualTo(5);
            assertThat(store.list()).isEmpty();
            assertThat(overlays(guest)).isZero();
            setMemory(qmp, MEMORY_BYTES);
            awaitMemory(qmp, MEMORY_BYTES);
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    @Test
    void epochsBetweenWhichTheBalloonMovesAreTheMemoryByteForByte() throws Exception {
        try (TestGuest guest = start(LOAD);
                Store store = Store.openOrCreate(folder.resolve("store"));
                QmpClient qmp = QmpClient.connect(second(), SOON);
                CheckpointSeries series =
                        CheckpointSeries.open(
                                CheckpointRequest.of(guest.qmpSocket(), store), "test")) {
            for (int round = 1; round < ROUNDS; round++) {
                take(series);
                setMemory(qmp, SMALL_BYTES);
                awaitMemory(qmp, SMALL_BYTES);
                requireLiveMemory(series, store, guest, qmp);
                setMemory(qmp, MEMORY_BYTES);
                awaitMemory(qmp, MEMORY_BYTES);
                requireLiveMemory(series, store, guest, qmp);
                // Again, but now it still fills when the next epoch ends.
                setMemory(qmp, SMALL_BYTES);
                take(series);
                requireLiveMemory(series, store, guest, qmp);
                awaitMemory(qmp, SMALL_BYTES);
                setMemory(qmp, MEMORY_BYTES);
                awaitMemory(qmp, MEMORY_BYTES);
            }
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    private static CheckpointReport take(CheckpointSeries series) throws Exception {
        return series.take(ProgressListener.none(), new Cancellation());
    }

    /** An epoch that ends in a stopped guest holds what its memory holds. */
    private static void requireLiveMemory(
            CheckpointSeries series, Store store, TestGuest guest, QmpClient qmp) throws Exception {
        qmp.execute("stop");
        RamRegion region = StoredMemory.region(guest, qmp);
        StoredMemory.requireEqual(store, take(series).manifest(), region);
        qmp.execute("cont");
        guest.console().awaitTick(guest.console().awaitAnyTick(SOON).counter() + 2, SOON);
    }
}
