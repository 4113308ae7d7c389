package org.vmckpt.cow.qcow2;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.StorageException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.CrashFile;
import org.vmckpt.cow.block.RawDevice;
import org.vmckpt.cow.disk.Tools;

/**
 * Random requests on random images that crash again and again, compared with a model; {@code
 * qemu-img check} judges each crash. Runs for some seconds; {@code -Dvmckpt.qcow2.seconds=N} for
 * longer, {@code -Dvmckpt.qcow2.seed=N} for one seed again.
 */
class Qcow2CrashIT {
    private static final int SECONDS = Integer.getInteger("vmckpt.qcow2.seconds", 12);
    private static final int LARGEST_DISK_SECTORS = 16 << 10;
    private static final int MOST_STEPS = 60;

    @TempDir Path folder;

    @Test
    void crashesLeaveCleanOrLeakyImagesThatHoldWhatWasFlushed() throws Exception {
        long seed = Long.getLong("vmckpt.qcow2.seed", System.nanoTime());
        long end = System.nanoTime() + Duration.ofSeconds(SECONDS).toNanos();
        int images = 0;
        int crashes = 0;
        do {
            try {
                crashes += new Run(new Random(seed), folder.resolve("image")).run();
            } catch (Throwable e) {
                throw new AssertionError("-Dvmckpt.qcow2.seed=" + seed, e);
            }
            images++;
            seed++;
        } while (System.nanoTime() < end && Long.getLong("vmckpt.qcow2.seed") == null);
        System.out.printf("last seed %d: %d images, %d crashes%n", seed - 1, images, crashes);
        assertThat(crashes).isPositive();
    }

    /** One image's life. */
    private static final class Run {
        private final Random random;
        private final Path path;
        private final SectorModel model;
        private final int backingSectors;
        private final byte[] backingBytes;
        private final boolean logs;
        private CrashFile file = new CrashFile(new byte[0]);
        private CrashFile log = new CrashFile(new byte[0]);
        private int growingTo;
        private int lastFirst;
        private int[] lastBefore = new int[0];
        private Qcow2Image image;
        private int lastValue = 1000;

        Run(Random random, Path path) throws Exception {
            this.random = random;
            this.path = path;
            // Small clusters make tables grow and move, large ones are copied in parts.
            int bits = 9 + random.nextInt(random.nextInt(4) == 0 ? 13 : 8);
            int most = bits == 9 ? 3 * LARGEST_DISK_SECTORS : LARGEST_DISK_SECTORS;
            int sectors = 1 + random.nextInt(most);
            model = new SectorModel(sectors);
            backingSectors =
                    random.nextBoolean() ? 0 : 1 + random.nextInt(sectors + sectors / 2 + 1);
            SectorModel backing = new SectorModel(backingSectors);
            for (int i = 0; i < backingSectors; i++) {
                int value = random.nextInt(3) == 0 ? 0 : i + 1;
                backing.put(i, 1, value);
                if (i < sectors) {
                    model.put(i, 1, value);
                }
            }
            model.flush();
            backingBytes = backing.content();
            logs = random.nextBoolean();
            int version = 2 + random.nextInt(2);
            long size = (long) sectors * SectorModel.SECTOR_BYTES;
            boolean lazy = version == 3 && random.nextBoolean();
            new NewImage(size, version, bits, lazy, Optional.empty()).write(file);
            image = open();
        }

        private Qcow2Image open() throws Exception {
            Optional<BlockDevice> backing =
                    backingSectors == 0
                            ? Optional.empty()
                            : Optional.of(RawDevice.over(new CrashFile(backingBytes)));
            return logs
                    ? Qcow2Image.open(file, "image", backing, new EntryLog(log, "image of today"))
                    : Qcow2Image.open(file, "image", backing);
        }

        int run() throws Exception {
            int crashes = 1 + random.nextInt(6);
            for (int i = 0; i < crashes; i++) {
                int steps = random.nextInt(MOST_STEPS);
                if (random.nextBoolean()) {
                    file.dieAfter(random.nextInt(1 + 6 * steps));
                }
                lastBefore = new int[0];
                try {
                    for (int step = 0; step < steps; step++) {
                        stepOnDiskThatMayBeFull();
                    }
                } catch (IOException | StorageException e) {
                    // After a failed flush an image may want to be opened again.
                    boolean full =
                            e.getCause() instanceof CrashFile.FullException
                                    || String.valueOf(e.getMessage()).contains("open it again");
                    if (!file.isDead() && !full) {
                        throw e;
                    }
                }
                crash();
            }
            image.flush();
            image.close();
            byte[] left = file.afterKill();
            Files.write(path, left);
            Tools.assertSound(path);
            if (backingSectors == 0) {
                Path raw = path.resolveSibling("raw");
                Files.write(raw, model.content());
                Tools.assertEqual(path, "qcow2", raw, "raw");
            }
            return crashes;
        }

        private void stepOnDiskThatMayBeFull() throws Exception {
            if (random.nextInt(15) == 0) {
                file.refuseWrites(1 + random.nextInt(4));
            }
            try {
                step();
            } catch (CrashFile.FullException e) {
                file.refuseWrites(0);
                model.assertReadsNowOr(lastBefore, lastFirst, read(lastFirst, lastBefore.length));
            }
        }

        private void step() throws Exception {
            int first = random.nextInt(model.sectors());
            int most = random.nextInt(4) == 0 ? model.sectors() : 40;
            int count = 1 + random.nextInt(Math.min(most, model.sectors() - first));
            long offset = (long) first * SectorModel.SECTOR_BYTES;
            long length = (long) count * SectorModel.SECTOR_BYTES;
            lastFirst = first;
            lastBefore = model.values(first, count);
            switch (random.nextInt(12)) {
                case 0 -> {
                    model.put(first, count, 0);
                    image.writeZeroes(offset, length, random.nextBoolean());
                }
                case 1 -> {
                    discard(first, count);
                    // Discarded and then read: it stays what it is read as.
                    model.assertReadsZeroOrSame(first, read(first, count));
                }
                case 2, 3, 4 -> model.assertReads(first, read(first, count));
                case 5 -> {
                    image.flush();
                    model.flush();
                }
                case 6 -> {
                    if (random.nextInt(4) == 0) {
                        grow();
                    } else if (random.nextInt(3) == 0) {
                        image.close();
                        model.flush();
                        image = open();
                    }
                }
                default -> {
                    model.put(first, count, ++lastValue);
                    image.write(SectorModel.bytes(count, lastValue), offset);
                }
            }
        }

        private void grow() throws IOException {
            growingTo = model.sectors() + random.nextInt(random.nextBoolean() ? 100 : 5000);
            image.resize(growingTo * 512L);
            model.grow(growingTo);
            model.flush();
        }

        private void discard(int first, int count) throws IOException {
            boolean done = false;
            try {
                image.discard(first * 512L, count * 512L);
                done = true;
            } finally {
                if (!done) {
                    model.put(first, count, 0);
                }
            }
        }

        private ByteBuffer read(int first, int count) throws Exception {
            ByteBuffer bytes = ByteBuffer.allocate(count * SectorModel.SECTOR_BYTES);
            image.read(bytes, (long) first * SectorModel.SECTOR_BYTES);
            return bytes.flip();
        }

        private void crash() throws Exception {
            boolean kill = random.nextBoolean();
            byte[] left = kill ? file.afterKill() : file.afterCrash(random);
            Files.write(path, left);
            assertCleanOrLeaky(path);
            file = new CrashFile(left);
            log = new CrashFile(kill ? log.afterKill() : new byte[0]);
            image = open();
            if (image.size() == growingTo * 512L) {
                model.grow(growingTo);
            }
            assertThat(image.size()).isEqualTo(model.sectors() * 512L);
            if (kill && logs) {
                model.assertReadsAfterKill(read(0, model.sectors()), lastFirst, lastBefore);
            } else {
                model.assertReadsAfterCrash(read(0, model.sectors()));
            }
        }
    }

    static void assertCleanOrLeaky(Path image) throws Exception {
        Process check =
                new ProcessBuilder("qemu-img", "check", "-f", "qcow2", image.toString())
                        .redirectErrorStream(true)
                        .start();
        String output = new String(check.getInputStream().readAllBytes(), UTF_8);
        // 3 stands for leaks and nothing worse.
        assertThat(check.waitFor()).as(output).isIn(0, 3);
    }
}
