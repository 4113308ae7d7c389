package org.vmckpt.cow.qcow2;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.cow.block.CrashFile;
import org.vmckpt.cow.block.ForwardingFile;
import org.vmckpt.cow.block.PlainFile;
import org.vmckpt.cow.block.RawDevice;
import org.vmckpt.cow.block.StorageFile;

/** Many requests at once, on neighbouring sectors of the same clusters. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
class Qcow2ParallelTest {
    private static final int THREADS = 8;
    private static final int SECTORS = 32 << 10;
    private static final int SECONDS = Integer.getInteger("vmckpt.qcow2.seconds", 4);

    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(ints = {12, 16})
    void requestsInOneClusterLoseNothingOfEachOther(int clusterBits) throws Exception {
        long seed = System.nanoTime();
        Path path = folder.resolve("disk.qcow2");
        PlainFile file = PlainFile.create(path);
        new NewImage(SECTORS * 512L, 3, clusterBits, false, Optional.empty()).write(file);
        byte[] below = new byte[SECTORS * 256];
        try (Qcow2Image image =
                        Qcow2Image.open(
                                file,
                                path.toString(),
                                Optional.of(RawDevice.over(new CrashFile(below))));
                ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
            List<Worker> workers = new ArrayList<>();
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                workers.add(new Worker(image, i, new Random(seed + i), 1 << clusterBits));
            }
            workers.forEach(it -> running.add(threads.submit(it::run)));
            for (Future<?> worker : running) {
                worker.get();
            }
            for (Worker worker : workers) {
                worker.checkAll();
            }
        } catch (Exception | AssertionError e) {
            throw new AssertionError("seed " + seed, e);
        }
        Qcow2CrashIT.assertCleanOrLeaky(path);
    }

    /** Owns every eighth sector of the first half, and a region of the second. */
    private static final class Worker {
        private final Qcow2Image image;
        private final int number;
        private final Random random;
        private final int clusterSectors;
        private final int[] expected = new int[SECTORS];
        private final long end = System.nanoTime() + Duration.ofSeconds(SECONDS).toNanos() / 2;

        Worker(Qcow2Image image, int number, Random random, int clusterBytes) {
            this.image = image;
            this.number = number;
            this.random = random;
            this.clusterSectors = clusterBytes / 512;
        }

        Void run() throws IOException {
            int value = number * 1_000_000;
            while (System.nanoTime() < end) {
                if (random.nextBoolean()) {
                    int sector = random.nextInt(SECTORS / 2 / THREADS) * THREADS + number;
                    put(sector, 1, ++value);
                    check(sector, 1);
                } else {
                    changeRegion(++value);
                }
                if (random.nextInt(200) == 0) {
                    image.flush();
                }
            }
            return null;
        }

        private void changeRegion(int value) throws IOException {
            int size = SECTORS / 2 / THREADS;
            int start = SECTORS / 2 + number * size;
            int first = start + random.nextInt(size - 1);
            int count = 1 + random.nextInt(Math.min(4 * clusterSectors, start + size - first));
            switch (random.nextInt(4)) {
                case 0 -> {
                    image.writeZeroes(first * 512L, count * 512L, random.nextBoolean());
                    remember(first, count, 0);
                }
                case 1 -> {
                    // Ours reads as zeros then: whole clusters are dropped, parts are left alone.
                    int from = Math.ceilDiv(first, clusterSectors) * clusterSectors;
                    int to = (first + count) / clusterSectors * clusterSectors;
                    if (to > from) {
                        image.discard(from * 512L, (to - from) * 512L);
                        remember(from, to - from, 0);
                    }
                }
                default -> put(first, count, value);
            }
            check(first, count);
        }

        private void put(int first, int count, int value) throws IOException {
            image.write(SectorModel.bytes(count, value), first * 512L);
            remember(first, count, value);
        }

        private void remember(int first, int count, int value) {
            for (int i = first; i < first + count; i++) {
                expected[i] = value;
            }
        }

        private void check(int first, int count) throws IOException {
            ByteBuffer bytes = ByteBuffer.allocateDirect(count * 512);
            image.read(bytes, first * 512L);
            bytes.flip();
            for (int i = first; i < first + count; i++) {
                for (int word = 0; word < 128; word++) {
                    int found = bytes.getInt();
                    if (found != expected[i]) {
                        throw new AssertionError(
                                "sector " + i + ": " + found + " instead of " + expected[i]);
                    }
                }
            }
        }

        void checkAll() throws IOException {
            for (int i = number; i < SECTORS / 2; i += THREADS) {
                check(i, 1);
            }
            int size = SECTORS / 2 / THREADS;
            check(SECTORS / 2 + number * size, size);
        }
    }

    @Test
    void onlyItsClusterWaitsForASlowBackingDisk() throws Exception {
        CountDownLatch reading = new CountDownLatch(1);
        CountDownLatch release = new CountDownLatch(1);
        StorageFile slow =
                new ForwardingFile(new CrashFile(new byte[1 << 20])) {
                    @Override
                    public int read(ByteBuffer into, long offset) throws IOException {
                        if (offset == 0) {
                            reading.countDown();
                            awaitQuietly(release);
                        }
                        return super.read(into, offset);
                    }
                };
        CrashFile file = new CrashFile(new byte[0]);
        NewImage.of(1 << 20, Optional.empty()).write(file);
        try (Qcow2Image image = Qcow2Image.open(file, "image", Optional.of(RawDevice.over(slow)));
                ExecutorService threads = Executors.newFixedThreadPool(2)) {
            Future<?> first = threads.submit(() -> write(image, 4096, 1));
            reading.await();
            Future<?> second = threads.submit(() -> write(image, 8192, 2));
            write(image, 65536, 3);
            image.flush();
            Assertions.assertThatThrownBy(() -> second.get(50, TimeUnit.MILLISECONDS))
                    .isInstanceOf(TimeoutException.class);
            release.countDown();
            first.get();
            second.get();
            for (int i = 1; i <= 3; i++) {
                ByteBuffer read = ByteBuffer.allocate(4);
                image.read(read, i == 3 ? 65536 : i * 4096L);
                assertThat(read.getInt(0)).isEqualTo(i);
            }
        }
    }

    private static Void write(Qcow2Image image, long offset, int value) throws IOException {
        image.write(SectorModel.bytes(1, value), offset);
        return null;
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
