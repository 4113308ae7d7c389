package org.vmckpt.cow.memory;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/** Needs the privilege to make a userfaultfd that sees faults from inside the kernel (root). */
@Timeout(60)
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
            captureAndCompare(memory, MemoryCapture.MIN_BUDGET_BYTES);
        }
    }

    private static CaptureReport captureAndCompare(BusyMemory memory, long budgetBytes)
            throws Exception {
        CollectingSink sink = new CollectingSink(SIZE);
        try (MemoryCapture capture = memory.prepare(budgetBytes, sink)) {
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
    void holesAreNeitherReadNorFilled() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, 1 << 20)) {
            long before = allocatedBlocks(memory);
            CaptureReport report = captureAndCompare(memory, SIZE);
            assertThat(report.holePages()).isEqualTo((SIZE - (1 << 20)) / 4096);
            assertThat(report.pagesCopied()).isEqualTo((1 << 20) / 4096);
            assertThat(allocatedBlocks(memory)).isEqualTo(before);
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
            try (MemoryCapture capture = memory.prepare(8 << 20, sink)) {
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
            MemoryCapture capture = memory.prepare(MemoryCapture.MIN_BUDGET_BYTES, sink);
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
            }
            capture.close();
            assertThat(threadsOfOurs()).isEmpty();
        }
    }

    @Test
    void stuckSinkHoldsTheGuestUpForABoundedTimeOnly() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE)) {
            memory.startWriters(2);
            StuckSink sink = new StuckSink();
            MemoryCapture capture = memory.prepare(MemoryCapture.MIN_BUDGET_BYTES, sink);
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
            }
        }
    }

    @Test
    void closeWithoutStartFreesTheGuest() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE)) {
            memory.startWriters(2);
            try (MemoryCapture capture = memory.prepare(8 << 20, new CollectingSink(SIZE))) {
                memory.armInPause(capture);
            }
            memory.awaitProgress();
            MemoryCapture neverArmed = memory.prepare(8 << 20, new CollectingSink(SIZE));
            memory.awaitProgress();
            neverArmed.close();
            assertThat(threadsOfOurs()).isEmpty();
        }
    }

    @Test
    void brokenUserfaultfdFailsTheCaptureAndFreesTheGuest() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE)) {
            memory.startWriters(2);
            try (MemoryCapture capture = memory.prepare(8 << 20, new CollectingSink(SIZE))) {
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
            try (MemoryCapture capture = memory.prepare(8 << 20, new CollectingSink(SIZE))) {
                memory.mapping.discard(0, 1 << 20);
                memory.armInPause(capture);
                memory.mapping.discard(0, 1 << 20);
                capture.start();
                assertThatThrownBy(capture::awaitDrained)
                        .isInstanceOf(RefusedException.class)
                        .hasMessageContaining("gave memory back");
                memory.awaitProgress();
            }
        }
    }

    @Test
    void tooSmallBudgetIsRefusedWithTheOption() throws Exception {
        try (BusyMemory memory = new BusyMemory(SIZE, 0)) {
            assertThatThrownBy(() -> memory.prepare(1, new CollectingSink(SIZE)))
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
