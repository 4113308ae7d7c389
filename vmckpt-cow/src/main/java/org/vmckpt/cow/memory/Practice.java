package org.vmckpt.cow.memory;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.GuestFile;
import org.vmckpt.cow.linux.NativeBuffer;
import org.vmckpt.cow.linux.Userfaultfd;

/**
 * Captures memory of our own, once per JVM, so that the JIT has compiled the fault path before the
 * first guest waits for it: cold, a fault takes ten times as long.
 */
final class Practice {
    private static final long SIZE_BYTES = 16L << 20;
    private static final int MAX_ROUNDS = 8;
    // They take a third of a second where a processor is free.
    private static final long LIMIT_NANOS = 2_000_000_000L;
    private static boolean done;

    private Practice() {}

    static synchronized void once() {
        if (done) {
            return;
        }
        done = true;
        try (Userfaultfd uffd = Userfaultfd.ofThisProcess();
                GuestFile file = GuestFile.createInMemory("vmckpt-practice", SIZE_BYTES);
                NativeBuffer mapping = file.map(SIZE_BYTES);
                GuestFile source = GuestFile.createInMemory("vmckpt-source", Slot.PAGE_BYTES)) {
            long deadline = System.nanoTime() + LIMIT_NANOS;
            for (int i = 0; i < MAX_ROUNDS && System.nanoTime() < deadline; i++) {
                round(uffd, file, mapping, source);
            }
        } catch (ErrnoException | VmckptException | InterruptedException unpractised) {
            // Without practice the first capture is slower, and otherwise the same. What stands in
            // its way (a missing permission) is reported when it matters.
            if (unpractised instanceof InterruptedException) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static void round(
            Userfaultfd uffd, GuestFile file, NativeBuffer mapping, GuestFile source)
            throws VmckptException, InterruptedException {
        CaptureRegion region =
                new CaptureRegion(
                        0, mapping.address(), mapping.sizeBytes(), Slot.PAGE_BYTES, file, 0);
        try (MemoryTracker tracker =
                        MemoryTracker.start(
                                uffd,
                                List.of(region),
                                2 * SIZE_BYTES,
                                ProcessHandle.current().pid(),
                                "practice");
                MemoryCapture capture = tracker.captureAndRelease(new Nowhere())) {
            capture.armAhead();
            writeEverySixteenth(mapping, source);
            capture.arm();
            Thread writer =
                    Thread.ofPlatform()
                            .name("vmckpt-practice")
                            .start(() -> writeThreeQuarters(mapping, source));
            LockSupport.parkNanos(20_000_000L);
            capture.start();
            capture.awaitDrained();
            writer.join();
        }
    }

    /**
     * Writes by way of a read into the mapping: the thread then waits for its fault inside a native
     * call. A plain Java store would hold up the JVM's safepoints, and with them the thread that is
     * to serve the fault.
     */
    private static void writeThreeQuarters(NativeBuffer mapping, GuestFile source) {
        for (long offset = 0; offset < mapping.sizeBytes() / 4 * 3; offset += Slot.PAGE_BYTES) {
            source.pread(mapping.address() + offset, 1, 0);
        }
    }

    private static void writeEverySixteenth(NativeBuffer mapping, GuestFile source) {
        for (long offset = 0; offset < mapping.sizeBytes(); offset += 16 * Slot.PAGE_BYTES) {
            source.pread(mapping.address() + offset, 1, 0);
        }
    }

    /** A sink for pages that nobody wants. */
    private static final class Nowhere implements PageSink {
        @Override
        public void write(int region, long[] pages, int count, ByteBuffer data) {}

        @Override
        public void writeZeros(int region, long firstPage, long pageCount) {}
    }
}
