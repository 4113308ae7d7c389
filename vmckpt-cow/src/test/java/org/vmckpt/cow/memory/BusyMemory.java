package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.GuestFile;
import org.vmckpt.cow.linux.NativeBuffer;
import org.vmckpt.cow.linux.Userfaultfd;

/**
 * Memory of our own that threads write all the time, with a pause: a guest without a QEMU. Writers
 * wait for their faults inside a native call, as Practice explains.
 */
final class BusyMemory implements AutoCloseable {
    private static final int SOURCE_BYTES = 1 << 20;

    final GuestFile file;
    final NativeBuffer mapping;
    final int pageBytes;
    final Userfaultfd uffd;
    final AtomicLong writes = new AtomicLong();
    private final GuestFile source;
    private final ReadWriteLock running = new ReentrantReadWriteLock(true);
    private final List<Thread> writers = new ArrayList<>();
    private volatile boolean ended;

    /** Fills the first {@code filledBytes}; the rest stays a hole, until a writer comes by. */
    BusyMemory(long sizeBytes, long filledBytes) throws ErrnoException {
        this(GuestFile.createInMemory("busy", sizeBytes), Slot.PAGE_BYTES, sizeBytes, filledBytes);
    }

    /** In a file that has its size already. */
    BusyMemory(GuestFile file, int pageBytes, long sizeBytes, long filledBytes)
            throws ErrnoException {
        this.file = file;
        this.pageBytes = pageBytes;
        mapping = file.map(sizeBytes);
        uffd = Userfaultfd.ofThisProcess();
        source = GuestFile.createInMemory("source", SOURCE_BYTES);
        byte[] noise = new byte[SOURCE_BYTES];
        new Random(7).nextBytes(noise);
        source.pwrite(ByteBuffer.wrap(noise), 0);
        for (long offset = 0; offset < filledBytes; offset += SOURCE_BYTES) {
            int length = (int) Math.min(SOURCE_BYTES, filledBytes - offset);
            mapping.slice(offset, length).put(noise, 0, length);
        }
    }

    void startWriters(int count) {
        for (int i = 0; i < count; i++) {
            long seed = i;
            writers.add(Thread.ofPlatform().name("busy-" + i).start(() -> write(seed)));
        }
    }

    private void write(long seed) {
        Random random = new Random(seed);
        long pages = mapping.sizeBytes() / Slot.PAGE_BYTES;
        while (!ended) {
            long address = mapping.address() + random.nextLong(pages) * Slot.PAGE_BYTES;
            int length = 8 + random.nextInt(Slot.PAGE_BYTES - 8);
            running.readLock().lock();
            try {
                source.pread(address, length, random.nextInt(SOURCE_BYTES - Slot.PAGE_BYTES));
            } finally {
                running.readLock().unlock();
            }
            writes.incrementAndGet();
        }
    }

    void writePage(long page) {
        source.pread(mapping.address() + page * Slot.PAGE_BYTES, 1, 0);
    }

    CaptureRegion region(int index) {
        return new CaptureRegion(index, mapping.address(), mapping.sizeBytes(), pageBytes, file, 0);
    }

    MemoryTracker track(long budgetBytes) throws VmckptException {
        return MemoryTracker.start(
                uffd,
                List.of(region(0)),
                budgetBytes,
                ProcessHandle.current().pid(),
                "a busy memory");
    }

    /** Captures without waiting for writers, compares, and tracks on. */
    CaptureReport captureAndTrack(MemoryTracker tracker, CollectingSink image) throws Exception {
        try (MemoryCapture capture = tracker.captureAndTrack(image)) {
            capture.armAhead();
            byte[] snapshot = armInPause(capture);
            capture.start();
            CaptureReport report = capture.awaitDrained();
            assertThat(image.content).isEqualTo(snapshot);
            return report;
        }
    }

    /** Arms in a pause of the writers and returns what the memory held then. */
    byte[] armInPause(MemoryCapture capture) throws VmckptException, ErrnoException {
        capture.armAgain();
        capture.stopping();
        running.writeLock().lock();
        try {
            capture.arm();
            byte[] content = new byte[Math.toIntExact(mapping.sizeBytes())];
            file.pread(ByteBuffer.wrap(content), 0);
            return content;
        } finally {
            running.writeLock().unlock();
        }
    }

    /** Waits until every writer has got on by some writes. */
    void awaitProgress() throws InterruptedException {
        long goal = writes.get() + 100L * writers.size();
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (writes.get() < goal) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("Writers hang: " + writes + " of " + goal + " writes");
            }
            Thread.sleep(1);
        }
    }

    @Override
    public void close() {
        ended = true;
        // First, so that writers which a failed test left in a fault come free.
        uffd.close();
        for (Thread writer : writers) {
            joinOf(writer);
        }
        mapping.close();
        file.close();
        source.close();
    }

    private static void joinOf(Thread writer) {
        try {
            writer.join();
        } catch (InterruptedException interrupted) {
            throw new AssertionError("Interrupted while writers ended", interrupted);
        }
    }
}
