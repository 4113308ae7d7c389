package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.linux.GuestFile;

/**
 * Rule R4 for a process that writes guest memory from an address space of its own, where no fault
 * of QEMU tells of it. Needs root and QEMU.
 */
@Timeout(180)
final class R4OutsideWriterIT {
    private static final long SIZE = 64L << 20;
    private static final long BUDGET = 16L << 20;
    // The firmware has written below, and the guest does nothing else.
    private static final long HOLE = 32L << 20;
    private static final int BYTES = 10_000;

    @TempDir private Path folder;

    private static byte[] contentOf(RamRegion region) throws Exception {
        byte[] content = new byte[(int) SIZE];
        try (GuestFile file = GuestFile.openForReading(region.mapFile())) {
            file.pread(ByteBuffer.wrap(content), region.fileOffset());
        }
        return content;
    }

    /** Forces the faults of a range, and has the other process write it. */
    private static void write(
            MemoryTracker tracker, OutsideWriterMain writer, long offset, int value)
            throws Exception {
        try (var _ = tracker.outsideWrites().begin(0, offset, BYTES)) {
            writer.fill(offset, BYTES, value);
        }
    }

    @Test
    void imageIsThatOfThePauseWhenFaultsAreForcedFirst() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.SHARED);
                OutsideWriterMain writer =
                        OutsideWriterMain.start(qemu.regions().getFirst().mapFile());
                QmpClient qmp = qemu.connect()) {
            List<RamRegion> regions = GuestMemory.inspect(qemu.pid(), qmp, Set.of(writer.pid()));
            CollectingSink image = new CollectingSink(SIZE);
            Random random = new Random(4);
            try (UffdAttachment attachment = UffdAttachment.attach(qemu.pid(), regions);
                    MemoryTracker tracker = MemoryTracker.start(attachment, BUDGET)) {
                write(tracker, writer, HOLE, 1);
                for (int epoch = 0; epoch < 3; epoch++) {
                    try (MemoryCapture capture = tracker.captureAndTrack(image)) {
                        var begun = tracker.outsideWrites().begin(0, 2 * HOLE - BYTES, BYTES);
                        capture.armAhead();
                        // Armed, and found to be holes.
                        writer.fill(2 * HOLE - BYTES, BYTES, 2 + epoch);
                        begun.close();
                        write(tracker, writer, HOLE + (8 << 20), 12 + epoch);
                        qmp.execute("stop");
                        capture.armAgain();
                        capture.arm();
                        byte[] paused = contentOf(regions.getFirst());
                        qmp.execute("cont");
                        write(tracker, writer, HOLE, 22 + epoch);
                        write(tracker, writer, HOLE + (16 << 20), 32 + epoch);
                        capture.start();
                        for (int i = 0; i < 200; i++) {
                            long offset = HOLE + random.nextLong(HOLE - BYTES);
                            write(tracker, writer, offset, random.nextInt(100));
                        }
                        CaptureReport report = capture.awaitDrained();
                        assertThat(report.faultCount()).isPositive();
                        assertThat(image.content).as("epoch %d", epoch).isEqualTo(paused);
                    }
                }
                GuestMemory.refuseOtherWriters(qemu.pid(), regions, Set.of(writer.pid()));
            }
        }
    }

    /** What the test above can see. */
    @Test
    void imageIsWrongWhenTheyAreNot() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.SHARED);
                OutsideWriterMain writer =
                        OutsideWriterMain.start(qemu.regions().getFirst().mapFile());
                QmpClient qmp = qemu.connect()) {
            List<RamRegion> regions = GuestMemory.inspect(qemu.pid(), qmp, Set.of(writer.pid()));
            CollectingSink image = new CollectingSink(SIZE);
            try (UffdAttachment attachment = UffdAttachment.attach(qemu.pid(), regions);
                    MemoryTracker tracker = MemoryTracker.start(attachment, BUDGET);
                    MemoryCapture capture = tracker.captureAndRelease(image)) {
                writer.fill(HOLE, BYTES, 1);
                capture.arm();
                writer.fill(HOLE, BYTES, 2);
                capture.start();
                capture.awaitDrained();
                assertThat(image.content[(int) HOLE]).isEqualTo((byte) 2);
            }
        }
    }

    @Test
    void processThatMapsTheMemoryAndDoesNotTakePartIsRefusedByName() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.SHARED)) {
            List<RamRegion> regions = qemu.regions();
            GuestMemory.refuseOtherWriters(qemu.pid(), regions);
            try (OutsideWriterMain writer = OutsideWriterMain.start(regions.getFirst().mapFile())) {
                String found = "process " + writer.pid() + " (java)";
                assertThatThrownBy(qemu::regions)
                        .isInstanceOf(RefusedException.class)
                        .hasMessageContaining(found);
                assertThatThrownBy(() -> GuestMemory.refuseOtherWriters(qemu.pid(), regions))
                        .isInstanceOf(RefusedException.class)
                        .hasMessageContaining(found);
            }
        }
    }

    @Test
    void pauseWaitsForAWriteThatHasBegunAndOthersForItsEnd() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE);
                MemoryTracker tracker = memory.track(SIZE);
                MemoryCapture capture = tracker.captureAndRelease(new CollectingSink(SIZE))) {
            OutsideWrites writes = tracker.outsideWrites();
            var first = writes.begin(0, 0, 1);
            capture.armAhead();
            CompletableFuture<Void> pause = inThread(capture::armAgain);
            requireWaiting(pause);
            first.close();
            pause.get(60, TimeUnit.SECONDS);
            CompletableFuture<Void> second = inThread(() -> writes.begin(0, 0, 1).close());
            requireWaiting(second);
            capture.arm();
            second.get(60, TimeUnit.SECONDS);
        }
    }

    @Test
    void writeThatDoesNotEndFailsTheCheckpointBeforeItsPause() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE);
                MemoryTracker tracker = memory.track(SIZE);
                MemoryCapture capture = tracker.captureAndRelease(new CollectingSink(SIZE))) {
            var begun = tracker.outsideWrites().begin(0, 0, 1);
            assertThatThrownBy(capture::armAgain)
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("1 writes of guest memory from another process");
            tracker.outsideWrites().begin(0, 0, 1).close();
            begun.close();
            capture.armAgain();
        }
    }

    private interface Action {
        void run() throws Exception;
    }

    private static CompletableFuture<Void> inThread(Action action) {
        CompletableFuture<Void> done = new CompletableFuture<>();
        Thread.ofPlatform()
                .start(() -> {
                    try {
                        action.run();
                        done.complete(null);
                    } catch (Exception e) {
                        done.completeExceptionally(e);
                    }
                });
        return done;
    }

    private static void requireWaiting(CompletableFuture<Void> done) {
        assertThatThrownBy(() -> done.get(100, TimeUnit.MILLISECONDS))
                .isInstanceOf(TimeoutException.class);
    }
}
