package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.RefusedException;
import org.vmckpt.cow.linux.GuestFile;

/** The same as MemoryCaptureIT for memory in huge pages. */
@Timeout(180)
class HugePageCaptureIT {
    private static final long SIZE = 64L << 20;
    private static final int UNITS = HugePages.BYTES / Slot.PAGE_BYTES;

    @AutoClose static FileChannel turn;

    @BeforeAll
    static void awaitTurn() throws Exception {
        turn = HugePages.awaitTurn();
    }

    @TempDir private Path folder = Path.of("");

    private HugePages pages;
    private HugePages.Mount mount;

    @BeforeEach
    void reserve() throws Exception {
        Practice.once();
        pages = HugePages.reserve(SIZE / HugePages.BYTES);
        mount = new HugePages.Mount(folder.resolve("huge"));
    }

    @AfterEach
    void giveBack() throws Exception {
        mount.close();
        pages.close();
    }

    private BusyMemory memory(long filledBytes) throws Exception {
        GuestFile file = GuestFile.openForWriting(mount.file("busy", SIZE));
        return new BusyMemory(file, HugePages.BYTES, SIZE, filledBytes);
    }

    @Test
    void captureEqualsTheSnapshotWhileWritersHammer() throws Exception {
        try (BusyMemory memory = memory(SIZE / 2)) {
            memory.startWriters(3);
            long faults = 0;
            for (int round = 0; round < 5; round++) {
                memory.awaitProgress();
                CollectingSink sink = new CollectingSink(SIZE);
                try (MemoryTracker tracker = memory.track(SIZE);
                        MemoryCapture capture = tracker.captureAndRelease(sink)) {
                    capture.armAhead();
                    memory.awaitProgress();
                    CaptureReport report = captureAndCompare(memory, capture, sink);
                    assertThat(report.pagesCopied() + report.holePages())
                            .isEqualTo(SIZE / Slot.PAGE_BYTES);
                    assertThat(report.bytesRead()).isEqualTo(report.pagesCopied() * 4096);
                    faults += report.faultCount();
                }
                for (int page = 0; page < sink.arrivals.length(); page++) {
                    assertThat(sink.arrivals.get(page)).as("arrivals of page %d", page).isOne();
                }
            }
            assertThat(faults).isPositive();
        }
    }

    @Test
    void smallestBudgetSlowsTheGuestDownButLosesNothing() throws Exception {
        try (BusyMemory memory = memory(SIZE)) {
            memory.startWriters(2);
            long smallest = 16L * HugePages.BYTES;
            assertThatThrownBy(() -> memory.track(smallest - 1))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContainingAll("--cow-budget", Long.toString(smallest));
            CollectingSink sink = new CollectingSink(SIZE);
            try (MemoryTracker tracker = memory.track(smallest);
                    MemoryCapture capture = tracker.captureAndRelease(sink)) {
                captureAndCompare(memory, capture, sink);
            }
        }
    }

    @Test
    void epochsHoldOnlyWhatWasWrittenAndTogetherTheSnapshot() throws Exception {
        try (BusyMemory memory = memory(SIZE / 2);
                MemoryTracker tracker = memory.track(SIZE)) {
            memory.startWriters(2);
            CollectingSink image = new CollectingSink(SIZE);
            for (int epoch = 0; epoch < 8; epoch++) {
                image.countAnew();
                try (MemoryCapture capture = tracker.captureAndTrack(image)) {
                    capture.armAhead();
                    captureAndCompare(memory, capture, image);
                    assertThat(image.mostArrivals()).isOne();
                }
            }
        }
    }

    @Test
    void quietEpochHoldsExactlyTheWrittenHugePages() throws Exception {
        try (BusyMemory memory = memory(SIZE);
                MemoryTracker tracker = memory.track(SIZE)) {
            CollectingSink image = new CollectingSink(SIZE);
            memory.captureAndTrack(tracker, image);
            memory.writePage(7);
            memory.writePage(8L * UNITS + UNITS - 1);
            image.countAnew();
            CaptureReport report = memory.captureAndTrack(tracker, image);
            assertThat(report.pagesCopied()).isEqualTo(2 * UNITS);
            assertThat(report.pagesArmedInPause()).isZero();
            assertThat(image.arrivals.get(0)).isOne();
            assertThat(image.arrivals.get(8 * UNITS)).isOne();
            assertThat(image.arrivals.get(UNITS)).isZero();
            image.countAnew();
            assertThat(memory.captureAndTrack(tracker, image).pagesCopied()).isZero();
        }
    }

    @Test
    void holesAreReadAsZerosAndNotFilled() throws Exception {
        try (BusyMemory memory = memory(SIZE / 4);
                MemoryTracker tracker = memory.track(SIZE)) {
            long before = HugePages.free();
            memory.captureAndTrack(tracker, new CollectingSink(SIZE));
            assertThat(HugePages.free()).isEqualTo(before);
        }
    }

    @Test
    void smallPagesBesideHugeOnesAreCountedAsWhatTheyAre() throws Exception {
        CollectingSink[] images = {new CollectingSink(SIZE), new CollectingSink(SIZE)};
        PageSink sink =
                new PageSink() {
                    @Override
                    public void write(int region, long[] pages, int count, ByteBuffer data) {
                        images[region].write(region, pages, count, data);
                    }

                    @Override
                    public void writeZeros(int region, long firstPage, long pageCount) {
                        images[region].writeZeros(region, firstPage, pageCount);
                    }
                };
        try (BusyMemory huge = memory(SIZE);
                BusyMemory small = new BusyMemory(SIZE, SIZE / 2);
                MemoryTracker tracker =
                        MemoryTracker.start(
                                huge.uffd,
                                List.of(huge.region(0), small.region(1)),
                                2 * SIZE,
                                ProcessHandle.current().pid(),
                                "two memories");
                MemoryCapture capture = tracker.captureAndTrack(sink)) {
            capture.armAhead();
            byte[] snapshot = huge.armInPause(capture);
            assertThat(tracker.state.bytesToRead()).isEqualTo(SIZE + SIZE / 2);
            capture.start();
            for (int page = 0; page < SIZE / 2 / Slot.PAGE_BYTES; page += 100) {
                huge.writePage(page);
            }
            assertThat(capture.awaitDrained().pagesCopied())
                    .isEqualTo((SIZE + SIZE / 2) / Slot.PAGE_BYTES);
            assertThat(images[0].content).isEqualTo(snapshot);
            small.file.pread(ByteBuffer.wrap(snapshot), 0);
            assertThat(images[1].content).isEqualTo(snapshot);
        }
    }

    private static CaptureReport captureAndCompare(
            BusyMemory memory, MemoryCapture capture, CollectingSink sink) throws Exception {
        byte[] snapshot = memory.armInPause(capture);
        // At once: few huge pages would be left to the copier.
        capture.start();
        capture.awaitCopied();
        memory.awaitProgress();
        CaptureReport report = capture.awaitDrained();
        assertThat(sink.content).isEqualTo(snapshot);
        System.out.println(report);
        return report;
    }
}
