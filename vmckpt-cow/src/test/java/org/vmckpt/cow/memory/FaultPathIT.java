package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the thread that a guest waits for must not do. Needs root. */
@Timeout(180)
class FaultPathIT {
    private static final long SIZE = 64L << 20;
    private static final int PAGES = (int) (SIZE / Slot.PAGE_BYTES);
    private static final int CAPTURES = 6;
    private static final int ATTEMPTS = 6;

    // An object for each fault would be a megabyte and more.
    private static final long NEXT_TO_NOTHING_BYTES = 64 << 10;

    @Test
    void servesThousandsOfFaultsWithoutAllocation() throws Exception {
        Practice.once();
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE);
                MemoryTracker tracker = memory.track(SIZE)) {
            long faultThread = idOf("vmckpt-faults");
            long faults = 0;
            long allocated = Long.MAX_VALUE;
            // Code that is interpreted allocates, and on a busy host it is compiled late.
            for (int i = 0; i < ATTEMPTS && allocated >= NEXT_TO_NOTHING_BYTES; i++) {
                long before = threads.getThreadAllocatedBytes(faultThread);
                assertThat(before).isNotNegative();
                faults = captureSomeTimes(memory, tracker);
                allocated = threads.getThreadAllocatedBytes(faultThread) - before;
                System.out.println(faults + " faults, " + allocated + " bytes allocated");
            }
            // Its neighbours are saved with each.
            assertThat(faults).isGreaterThanOrEqualTo(CAPTURES * PAGES / 8L);
            assertThat(allocated).isLessThan(NEXT_TO_NOTHING_BYTES);
        }
    }

    private static long captureSomeTimes(BusyMemory memory, MemoryTracker tracker)
            throws Exception {
        long faults = 0;
        for (int i = 0; i < CAPTURES; i++) {
            faults += capture(memory, tracker);
        }
        return faults;
    }

    /** Faults of each phase: armed ahead, in the window, and on clean pages afterwards. */
    private static long capture(BusyMemory memory, MemoryTracker tracker) throws Exception {
        long inWindow;
        try (MemoryCapture capture = tracker.captureAndTrack(new CollectingSink(SIZE))) {
            capture.armAhead();
            writeEach(memory, 0, 8);
            memory.armInPause(capture);
            writeEach(memory, 1, 2);
            capture.start();
            inWindow = capture.awaitDrained().faultCount();
        }
        writeEach(memory, 0, 1);
        return inWindow;
    }

    private static void writeEach(BusyMemory memory, int first, int step) {
        for (int page = first; page < PAGES; page += step) {
            memory.writePage(page);
        }
    }

    private static long idOf(String name) {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals(name))
                .findFirst()
                .orElseThrow()
                .threadId();
    }
}
