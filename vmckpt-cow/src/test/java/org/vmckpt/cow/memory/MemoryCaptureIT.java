package org.vmckpt.cow.memory;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vmckpt.core.MemoryDiscardedException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/** Needs the privilege to make a userfaultfd that sees faults from inside the kernel (root). */
@Timeout(180)
class MemoryCaptureIT {
    private static final long SIZE = 64L << 20;

    @BeforeEach
    void practise() {
        Practice.once();
    }

    @Test
    void captureEqualsTheSnapshotWhileWritersHammer() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE / 2)) {
            memory.startWriters(3);
            for (int round = 0; round < 5; round++) {
                memory.awaitProgress();
                CaptureReport report = captureAndCompare(memory, SIZE);
                assertThat(report.pagesCopied() + report.holePages())
                        .isEqualTo(SIZE / Slot.PAGE_BYTES);
                assertThat(report.faultCount()).isPositive();
                assertThat(report.bytesRead()).isEqualTo(report.pagesCopied() * 4096);
            }
        }
    }

    @Test
    void budgetOfFewSlotsSlowsTheGuestDownButLosesNothing() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE)) {
            memory.startWriters(2);
            BufferUse buffer = captureAndCompare(memory, MemoryTracker.MIN_BUDGET_BYTES).buffer();
            assertThat(buffer.hurried()).isTrue();
            assertThat(buffer.warning().orElseThrow()).contains("4 MiB", "--cow-budget");
            assertThat(buffer.peakBytes()).isGreaterThan(buffer.budgetBytes() / 2);
        }
    }

    @Test
    void slowSinkMakesTheGuestWaitForRoomAndTheReportSaysSo() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE);
                MemoryTracker tracker = memory.track(MemoryTracker.MIN_BUDGET_BYTES)) {
            CollectingSink sink = new CollectingSink(SIZE);
            SlotPool pool = tracker.pool;
            PageSink slow =
                    new PageSink() {
                        @Override
                        public void write(int region, long[] pages, int count, ByteBuffer data) {
                            // The writer alone fills it; then it gets some time to need more.
                            boolean first = pool.peakBytes() < pool.sizeBytes();
                            while (pool.peakBytes() < pool.sizeBytes()) {
                                LockSupport.parkNanos(1_000_000);
                            }
                            LockSupport.parkNanos(first ? 500_000_000 : 10_000_000);
                            sink.write(region, pages, count, data);
                        }

                        @Override
                        public void writeZeros(int region, long firstPage, long pageCount) {
                            sink.writeZeros(region, firstPage, pageCount);
                        }
                    };
            try (MemoryCapture capture = tracker.captureAndRelease(slow)) {
                byte[] snapshot = memory.armInPause(capture);
                for (int page = 0; page < 4000; page += 2) {
                    memory.writePage(page);
                }
                capture.start();
                BufferUse buffer = capture.awaitDrained().buffer();
                assertThat(sink.content).isEqualTo(snapshot);
                assertThat(buffer.faultWaitMicros()).isPositive();
                assertThat(buffer.warning().orElseThrow())
                        .contains("writes of the guest waited", "--cow-budget");
            }
        }
    }

    @Test
    void budgetOfAllMemoryIsNeverTooSmall() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE)) {
            memory.startWriters(1);
            BufferUse buffer = captureAndCompare(memory, SIZE + (16 << 20)).buffer();
            assertThat(buffer.warning()).isEmpty();
        }
    }

    @Test
    void endOfACaptureTakesTheRightToWriteFromNoPage() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE);
                MemoryTracker tracker = memory.track(SIZE);
                MemoryCapture capture = tracker.captureAndRelease(new CollectingSink(SIZE))) {
            capture.armAhead();
            memory.armInPause(capture);
            capture.start();
            capture.awaitCopied();
            writeAllPages(memory);
            capture.awaitDrained();
            requireFewFaultsForAllPages(memory);
        }
    }

    @Test
    void faultsThatTheGuestWouldMeetNextAreTakenForIt() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE);
                MemoryTracker tracker = memory.track(SIZE);
                MemoryCapture capture = tracker.captureAndRelease(new CollectingSink(SIZE))) {
            capture.armAhead();
            writeAllPages(memory);
            memory.armInPause(capture);
            for (int page = 5; page < SIZE / Slot.PAGE_BYTES; page += Slot.PAGES) {
                memory.writePage(page);
            }
            capture.start();
            capture.awaitCopied();
            requireFewFaultsForAllPages(memory);
            capture.awaitDrained();
        }
    }

    private static void requireFewFaultsForAllPages(BusyMemory memory) throws IOException {
        long faults = minorFaultsOfThisThread();
        writeAllPages(memory);
        assertThat(minorFaultsOfThisThread() - faults).isLessThan(SIZE / Slot.PAGE_BYTES / 10);
    }

    private static void writeAllPages(BusyMemory memory) {
        for (int page = 0; page < SIZE / Slot.PAGE_BYTES; page++) {
            memory.writePage(page);
        }
    }

    /** proc(5): the tenth field; the second ends with the last bracket. */
    private static long minorFaultsOfThisThread() throws IOException {
        String stat = Files.readString(Path.of("/proc/thread-self/stat"));
        return Long.parseLong(stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1)[7]);
    }

    @Test
    void writersThatAreHeldForAStopGoOnWithoutIt() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE);
                MemoryTracker tracker = memory.track(SIZE)) {
            CollectingSink sink = new CollectingSink(SIZE);
            try (MemoryCapture capture = tracker.captureAndRelease(sink)) {
                capture.armAhead();
                capture.armAgain();
                Thread writer = Thread.ofPlatform().start(() -> memory.writePage(5));
                assertThat(writer.join(Duration.ofSeconds(60))).isTrue();
                byte[] snapshot = memory.armInPause(capture);
                capture.start();
                capture.awaitDrained();
                assertThat(sink.content).isEqualTo(snapshot);
            }
        }
    }

    @Test
    void blocksThatAreWrittenAheadOfThePauseAreCapturedAsTheyAreInIt() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE / 2)) {
            memory.startWriters(4);
            CaptureReport report = captureAndCompare(memory, SIZE);
            assertThat(report.faultsBeforePause()).isPositive();
        }
    }

    @Test
    void neighboursThatFaultAtOnceAreEachSavedAndLetGo() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE);
                MemoryTracker tracker = memory.track(SIZE)) {
            CollectingSink sink = new CollectingSink(SIZE);
            try (MemoryCapture capture = tracker.captureAndRelease(sink)) {
                capture.armAhead();
                byte[] snapshot = memory.armInPause(capture);
                // Their messages wait for one batch.
                tracker.faults.freeze();
                List<Thread> writers = new ArrayList<>();
                for (int page : new int[] {100, 101, 102, 103, 200, 202, 201}) {
                    writers.add(Thread.ofPlatform().start(() -> memory.writePage(page)));
                }
                Thread.sleep(100);
                tracker.faults.startCapturing();
                for (Thread writer : writers) {
                    writer.join();
                }
                capture.start();
                CaptureReport report = capture.awaitDrained();
                assertThat(sink.content).isEqualTo(snapshot);
                assertThat(sink.mostArrivals()).isOne();
                // One that is saved beside another may need no fault of its own.
                assertThat(report.faultCount()).isBetween(2L, (long) writers.size());
                assertThat(report.pagesCopied()).isEqualTo(SIZE / Slot.PAGE_BYTES);
            }
        }
    }

    private static CaptureReport captureAndCompare(BusyMemory memory, long budgetBytes)
            throws Exception {
        CollectingSink sink = new CollectingSink(SIZE);
        try (MemoryTracker tracker = memory.track(budgetBytes);
                MemoryCapture capture = tracker.captureAndRelease(sink)) {
            capture.armAhead();
            memory.awaitProgress();
            byte[] snapshot = memory.armInPause(capture);
            memory.awaitProgress();
            capture.start();
            capture.awaitCopied();
            memory.awaitProgress();
            CaptureReport report = capture.awaitDrained();
            assertThat(sink.content).isEqualTo(snapshot);
            for (int page = 0; page < sink.arrivals.length(); page++) {
                assertThat(sink.arrivals.get(page)).as("arrivals of page %d", page).isOne();
            }
            System.out.println(report);
            return report;
        }
    }

    @Test
    void epochsHoldOnlyWhatWasWrittenAndTogetherTheSnapshot() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE / 2);
                MemoryTracker tracker = memory.track(SIZE)) {
            memory.startWriters(2);
            CollectingSink image = new CollectingSink(SIZE);
            for (int epoch = 0; epoch < 12; epoch++) {
                memory.awaitProgress();
                image.countAnew();
                try (MemoryCapture capture = tracker.captureAndTrack(image)) {
                    capture.armAhead();
                    memory.awaitProgress();
                    byte[] snapshot = memory.armInPause(capture);
                    memory.awaitProgress();
                    capture.start();
                    CaptureReport report = capture.awaitDrained();
                    assertThat(image.content).as("epoch %d", epoch).isEqualTo(snapshot);
                    assertThat(image.mostArrivals()).isOne();
                    System.out.println(report);
                }
            }
        }
    }

    @Test
    void quietEpochHoldsExactlyTheWrittenPages() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE);
                MemoryTracker tracker = memory.track(SIZE)) {
            CollectingSink image = new CollectingSink(SIZE);
            memory.captureAndTrack(tracker, image);
            memory.writePage(7);
            memory.writePage(4711);
            image.countAnew();
            CaptureReport report = memory.captureAndTrack(tracker, image);
            assertThat(report.pagesCopied()).isEqualTo(2);
            assertThat(report.pagesArmedInPause()).isZero();
            assertThat(image.arrivals.get(7)).isOne();
            assertThat(image.arrivals.get(4711)).isOne();
            image.countAnew();
            assertThat(memory.captureAndTrack(tracker, image).pagesCopied()).isZero();
        }
    }

    @Test
    void memoryGivenBackBetweenCheckpointsIsInTheNextOne() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE);
                MemoryTracker tracker = memory.track(SIZE)) {
            CollectingSink image = new CollectingSink(SIZE);
            memory.captureAndTrack(tracker, image);
            memory.mapping.discard(1 << 20, 1 << 20);
            memory.writePage(300);
            image.countAnew();
            CaptureReport report = memory.captureAndTrack(tracker, image);
            assertThat(report.pagesCopied() + report.holePages()).isEqualTo(256);
            // What was given back stays so.
            assertThat(memory.file.nextHole(1 << 20)).isEqualTo(1 << 20);
        }
    }

    @Test
    void holesAreNeitherReadNorFilled() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, 1 << 20)) {
            long before = allocatedBlocks(memory);
            CaptureReport report = captureAndCompare(memory, SIZE);
            assertThat(report.holePages()).isEqualTo((SIZE - (1 << 20)) / 4096);
            assertThat(report.pagesCopied()).isEqualTo((1 << 20) / 4096);
            assertThat(allocatedBlocks(memory)).isEqualTo(before);
        }
    }

    @Test
    void holesAreKnownEvenIfMostOfTheRestIsHot() throws Exception {
        long filled = SIZE / 4 * 3;
        AtomicBoolean ended = new AtomicBoolean();
        try (BusyMemory memory = new BusyMemory(SIZE, filled);
                MemoryTracker tracker = memory.track(SIZE)) {
            CollectingSink sink = new CollectingSink(SIZE);
            try (MemoryCapture capture = tracker.captureAndRelease(sink)) {
                Thread writer =
                        Thread.ofPlatform()
                                .start(() -> {
                                    while (!ended.get()) {
                                        writeEachBlock(memory, filled);
                                    }
                                });
                capture.armAhead();
                ended.set(true);
                writer.join();
                byte[] snapshot = memory.armInPause(capture);
                capture.start();
                CaptureReport report = capture.awaitDrained();
                assertThat(sink.content).isEqualTo(snapshot);
                assertThat(report.holePages()).isEqualTo((SIZE - filled) / Slot.PAGE_BYTES);
            }
        } finally {
            ended.set(true);
        }
    }

    private static void writeEachBlock(BusyMemory memory, long bytes) {
        for (int page = 0; page < bytes / Slot.PAGE_BYTES; page += HotBlocks.BLOCK_PAGES) {
            memory.writePage(page);
        }
    }

    @Test
    void roomIsExpectedForWhatIsToBeReadAndNoMore() throws Exception {
        long filled = 1 << 20;
        try (BusyMemory memory = new BusyMemory(SIZE, filled);
                MemoryTracker tracker = memory.track(SIZE)) {
            CollectingSink image = new CollectingSink(SIZE);
            try (MemoryCapture capture = tracker.captureAndTrack(image)) {
                capture.armAhead();
                memory.writePage(7);
                // Until now a hole.
                memory.writePage(4711);
                memory.armInPause(capture);
                // A written page counts with its block, for nobody looks again which are holes.
                long blocks = 2L * HotBlocks.BLOCK_PAGES * Slot.PAGE_BYTES;
                assertThat(tracker.state.bytesToRead())
                        .isBetween(filled + Slot.PAGE_BYTES, filled + blocks);
                capture.start();
                capture.awaitDrained();
            }
            memory.writePage(8);
            try (MemoryCapture capture = tracker.captureAndTrack(image)) {
                capture.armAhead();
                memory.writePage(300);
                memory.armInPause(capture);
                assertThat(tracker.state.bytesToRead()).isEqualTo(2 * Slot.PAGE_BYTES);
                capture.start();
                capture.awaitDrained();
            }
        }
    }

    private static long allocatedBlocks(BusyMemory memory) throws Exception {
        Process stat =
                new ProcessBuilder(
                                "stat",
                                "-L",
                                "-c",
                                "%b",
                                "/proc/"
                                        + ProcessHandle.current().pid()
                                        + "/fd/"
                                        + memory.file.procPath().getFileName())
                        .start();
        return Long.parseLong(new String(stat.getInputStream().readAllBytes(), UTF_8).strip());
    }

    @Test
    void failingSinkFreesTheGuestAtOnceAndIsTheCause() throws Exception {
        StorageException full = new StorageException("The disk is full");
        PageSink sink =
                new PageSink() {
                    private final AtomicInteger calls = new AtomicInteger();

                    @Override
                    public void write(int region, long[] pages, int count, ByteBuffer data)
                            throws VmckptException {
                        if (calls.incrementAndGet() > 3) {
                            throw full;
                        }
                    }

                    @Override
                    public void writeZeros(int region, long firstPage, long pageCount) {}
                };
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE)) {
            memory.startWriters(2);
            try (MemoryTracker tracker = memory.track(8 << 20);
                    MemoryCapture capture = tracker.captureAndRelease(sink)) {
                memory.armInPause(capture);
                capture.start();
                assertThatThrownBy(capture::awaitDrained).isSameAs(full);
                memory.awaitProgress();
            }
            captureAndCompare(memory, SIZE);
        }
    }

    @Test
    void abortInTheMiddleFreesTheGuestEvenWhenTheSinkIsStuck() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE)) {
            memory.startWriters(2);
            StuckSink sink = new StuckSink();
            MemoryTracker tracker = memory.track(MemoryTracker.MIN_BUDGET_BYTES);
            MemoryCapture capture = tracker.captureAndRelease(sink);
            memory.armInPause(capture);
            capture.start();
            Thread.sleep(50);
            try {
                capture.abort();
                memory.awaitProgress();
                assertThatThrownBy(capture::awaitCopied).isInstanceOf(RefusedException.class);
            } finally {
                sink.release = true;
                capture.close();
                tracker.close();
            }
            capture.close();
            tracker.close();
            assertThat(threadsOfOurs()).isEmpty();
        }
    }

    @Test
    void stuckSinkHoldsTheGuestUpForABoundedTimeOnly() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE)) {
            memory.startWriters(2);
            StuckSink sink = new StuckSink();
            MemoryTracker tracker = memory.track(MemoryTracker.MIN_BUDGET_BYTES);
            MemoryCapture capture = tracker.captureAndRelease(sink);
            try {
                memory.armInPause(capture);
                capture.start();
                assertThatThrownBy(capture::awaitCopied)
                        .isInstanceOf(RefusedException.class)
                        .hasMessageContaining("--cow-budget");
                memory.awaitProgress();
            } finally {
                sink.release = true;
                capture.close();
                tracker.close();
            }
        }
    }

    @Test
    void closeWithoutStartFreesTheGuest() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE)) {
            memory.startWriters(2);
            try (MemoryTracker tracker = memory.track(8 << 20);
                    MemoryCapture capture = tracker.captureAndRelease(new CollectingSink(SIZE))) {
                memory.armInPause(capture);
            }
            memory.awaitProgress();
            try (MemoryTracker tracker = memory.track(8 << 20);
                    MemoryCapture _ = tracker.captureAndRelease(new CollectingSink(SIZE))) {
                memory.awaitProgress();
            }
            assertThat(threadsOfOurs()).isEmpty();
        }
    }

    @Test
    void brokenUserfaultfdFailsTheCaptureAndFreesTheGuest() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE)) {
            memory.startWriters(2);
            try (MemoryTracker tracker = memory.track(8 << 20);
                    MemoryCapture capture = tracker.captureAndRelease(new CollectingSink(SIZE))) {
                memory.armInPause(capture);
                memory.uffd.close();
                capture.start();
                assertThatThrownBy(capture::awaitCopied).isInstanceOf(VmckptException.class);
                memory.awaitProgress();
            }
        }
    }

    @Test
    void memoryGivenBackDuringTheWindowVoidsTheCapture() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE)) {
            memory.startWriters(1);
            try (MemoryTracker tracker = memory.track(8 << 20);
                    MemoryCapture capture = tracker.captureAndRelease(new CollectingSink(SIZE))) {
                memory.mapping.discard(0, 1 << 20);
                memory.armInPause(capture);
                memory.mapping.discard(0, 1 << 20);
                capture.start();
                assertThatThrownBy(capture::awaitDrained)
                        .isInstanceOf(MemoryDiscardedException.class)
                        .hasMessageContaining("gave memory back");
                memory.awaitProgress();
            }
        }
    }

    /** The message was read before the release, and is served after it. */
    @Test
    void lateMessageAfterTheReleaseFailsNothing() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE);
                MemoryTracker tracker = memory.track(SIZE)) {
            CaptureRegion region = tracker.state.regions.getFirst();
            tracker.release();
            assertThat(tracker.state.lift(region, 7, 1)).isTrue();
            tracker.check();
        }
    }

    @Test
    void memoryThatQemuTookAwayFailsTheCapture() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE);
                MemoryTracker tracker = memory.track(SIZE)) {
            CaptureRegion region = tracker.state.regions.getFirst();
            memory.uffd.tryUnregister(region.address, region.sizeBytes());
            assertThat(tracker.state.lift(region, 7, 1)).isFalse();
            assertThatThrownBy(tracker::check)
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("changed its memory map");
        }
    }

    @Test
    void tooSmallBudgetIsRefusedWithTheOption() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, 0)) {
            assertThatThrownBy(() -> memory.track(1))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("--cow-budget");
        }
    }

    private static List<String> threadsOfOurs() {
        return Thread.getAllStackTraces().keySet().stream()
                .map(Thread::getName)
                .filter(name -> name.startsWith("vmckpt-"))
                .toList();
    }

    private static final class StuckSink implements PageSink {
        volatile boolean release;

        @Override
        public void write(int region, long[] pages, int count, ByteBuffer data) {
            while (!release) {
                LockSupport.parkNanos(1_000_000);
            }
        }

        @Override
        public void writeZeros(int region, long firstPage, long pageCount) {}
    }

    static {
        if (!Files.isReadable(Path.of("/proc/self/map_files"))) {
            throw new IllegalStateException("This test needs root");
        }
    }
}
