package org.vmckpt.cow.memory;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;

/**
 * Prints how many bytes the fault thread allocates for some ten thousand faults, once it is warm.
 */
final class FaultPathMain {
    private static final long SIZE = 64L << 20;
    private static final int PAGES = (int) (SIZE / Slot.PAGE_BYTES);
    private static final int CAPTURES = 6;
    private static final int ATTEMPTS = 4;
    // The neighbours of a page are saved with it.
    private static final long FEWEST_FAULTS = CAPTURES * PAGES / 8L;

    private FaultPathMain() {}

    public static void main(String[] args) throws Exception {
        Practice.once();
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long fewest = Long.MAX_VALUE;
        try (BusyMemory memory = new BusyMemory(SIZE, SIZE);
                MemoryTracker tracker = memory.track(SIZE)) {
            long faultThread = idOf("vmckpt-faults");
            // Code that is interpreted allocates, and on a busy host it is compiled late.
            for (int i = 0; i < ATTEMPTS && fewest > 0; i++) {
                long before = threads.getThreadAllocatedBytes(faultThread);
                long faults = captureSomeTimes(memory, tracker);
                long allocated = threads.getThreadAllocatedBytes(faultThread) - before;
                if (before < 0 || faults < FEWEST_FAULTS) {
                    throw new IllegalStateException(faults + " faults, before " + before);
                }
                fewest = Math.min(fewest, allocated);
            }
        }
        System.out.println(fewest);
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
