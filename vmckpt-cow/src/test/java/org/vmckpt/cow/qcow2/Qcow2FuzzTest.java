package org.vmckpt.cow.qcow2;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.CrashFile;
import org.vmckpt.cow.block.ForwardingFile;

/**
 * Sound images whose metadata was damaged at random: a clear error or some data, never a loop, a
 * giant allocation or a write far outside. If one place alone was damaged the data is right or
 * zeros (no checksum tells a zeroed entry from an empty one), never another sector's. {@code
 * -Dvmckpt.qcow2.seconds=N} for longer.
 */
class Qcow2FuzzTest {
    private static final int SECONDS = Integer.getInteger("vmckpt.qcow2.seconds", 5);
    private static final int SECTORS = 6 << 10;
    private static final long MOST_ALLOCATED_BYTES = 256 << 20;
    private static final long MOST_FILE_BYTES = 64 << 20;

    @Test
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    void damagedMetadataGivesAClearErrorOrRightData() throws Exception {
        long seed = Long.getLong("vmckpt.qcow2.seed", System.nanoTime());
        long end = System.nanoTime() + Duration.ofSeconds(SECONDS).toNanos();
        int refused = 0;
        int rounds = 0;
        while (System.nanoTime() < end) {
            try {
                Random random = new Random(seed);
                byte[] image = soundImage(random);
                for (int i = 0; i < 20; i++, rounds++) {
                    refused += isRefused(image.clone(), 1 + random.nextInt(4), random) ? 1 : 0;
                }
            } catch (Throwable e) {
                throw new AssertionError("-Dvmckpt.qcow2.seed=" + seed, e);
            }
            seed++;
        }
        System.out.printf("last seed %d: %d of %d refused%n", seed - 1, refused, rounds);
        assertThat(refused).isBetween(1, rounds - 1);
    }

    /** Each sector holds its number plus one, or zeros. */
    private static byte[] soundImage(Random random) throws Exception {
        CrashFile file = new CrashFile(new byte[0]);
        int bits = 12 + random.nextInt(3);
        new NewImage(SECTORS * 512L, 2 + random.nextInt(2), bits, false, Optional.empty())
                .write(file);
        try (Qcow2Image image = Qcow2Image.open(file, "image", Optional.empty())) {
            for (int i = 0; i < 40; i++) {
                int first = random.nextInt(SECTORS - 64);
                image.write(numbered(first, 1 + random.nextInt(64)), first * 512L);
                if (random.nextInt(3) == 0) {
                    image.writeZeroes(random.nextInt(SECTORS - 64) * 512L, 64 * 512, i % 2 == 0);
                }
            }
        }
        return file.afterKill();
    }

    private static ByteBuffer numbered(int first, int count) {
        ByteBuffer bytes = ByteBuffer.allocate(count * 512);
        for (int i = 0; i < count; i++) {
            while (bytes.position() < (i + 1) * 512) {
                bytes.putInt(first + i + 1);
            }
        }
        return bytes.flip();
    }

    /** Metadata is the first four clusters, and the tables that they lead to. */
    private static void damage(byte[] image, int hits, Random random) {
        ByteBuffer bytes = ByteBuffer.wrap(image);
        ByteBuffer sound = ByteBuffer.wrap(image.clone());
        int cluster = 1 << bytes.getInt(20);
        for (int i = 0; i < hits; i++) {
            int at =
                    switch (random.nextInt(4)) {
                        case 0 -> random.nextInt(Qcow2Header.COMPRESSION_AT + 16);
                        case 1 -> tableAt(sound, Qcow2Header.REFCOUNT_TABLE_OFFSET_AT, random);
                        case 2 -> tableAt(sound, Qcow2Header.L1_OFFSET_AT, random);
                        default -> cluster + random.nextInt(3 * cluster);
                    };
            if (random.nextBoolean()) {
                image[at] ^= (byte) (1 << random.nextInt(8));
            } else {
                long value =
                        switch (random.nextInt(4)) {
                            case 0 -> random.nextLong();
                            case 1 -> 0;
                            case 2 -> (long) random.nextInt(image.length / cluster) * cluster;
                            default -> L2Entry.COPIED | (long) random.nextInt(64) * cluster;
                        };
                bytes.putLong(at & -8, value);
            }
        }
    }

    /** An entry of a table that the header names, or of a table that such an entry names. */
    private static int tableAt(ByteBuffer bytes, int pointerAt, Random random) {
        int at = (int) (bytes.getLong(pointerAt) & 0xffffff);
        int entry = at + 8 * random.nextInt(3);
        if (entry + 8 > bytes.capacity()) {
            return 0;
        }
        int table = (int) (bytes.getLong(entry) & 0xfffe00);
        boolean deep = table > 0 && table + 4096 <= bytes.capacity() && random.nextInt(3) > 0;
        return deep ? table + random.nextInt(4096) : entry + random.nextInt(8);
    }

    private static boolean isRefused(byte[] bytes, int hits, Random random) throws Exception {
        damage(bytes, hits, random);
        long before = allocated();
        try (Qcow2Image image = Qcow2Image.open(new Bounded(bytes), "image", Optional.empty())) {
            use(image, hits == 1, random);
            return false;
        } catch (CorruptException | UnsupportedException e) {
            return true;
        } catch (IOException e) {
            assertThat(e.getCause()).as("%s", e).isInstanceOf(VmckptException.class);
            return true;
        } finally {
            assertThat(allocated() - before).isLessThan(MOST_ALLOCATED_BYTES);
        }
    }

    private static void use(Qcow2Image image, boolean strict, Random random) throws IOException {
        int sectors = (int) Math.min(SECTORS, image.size() / 512);
        read(image, sectors, strict);
        for (int i = 0; i < 10 && sectors > 64; i++) {
            int first = random.nextInt(sectors - 64);
            image.write(numbered(first, 1 + random.nextInt(64)), first * 512L);
        }
        image.flush();
        read(image, sectors, strict);
    }

    /** If strict, right or zeros. */
    private static void read(Qcow2Image image, int sectors, boolean strict) throws IOException {
        ByteBuffer sector = ByteBuffer.allocate(512);
        for (int i = 0; i < sectors; i++) {
            image.read(sector.clear(), i * 512L);
            sector.flip();
            while (sector.hasRemaining()) {
                int found = sector.getInt();
                if (strict && found != 0 && found != i + 1) {
                    throw new AssertionError("sector " + i + " reads as " + found);
                }
            }
        }
    }

    private static long allocated() {
        return ((ThreadMXBean) ManagementFactory.getThreadMXBean())
                .getCurrentThreadAllocatedBytes();
    }

    /** Nobody may write far behind its end. */
    private static final class Bounded extends ForwardingFile {
        Bounded(byte[] content) {
            super(new CrashFile(content));
        }

        @Override
        public int read(ByteBuffer into, long offset) throws IOException {
            assertThat(offset).isNotNegative();
            return super.read(into, offset);
        }

        @Override
        public void write(ByteBuffer from, long offset) throws IOException {
            assertThat(offset).isBetween(0L, MOST_FILE_BYTES);
            super.write(from, offset);
        }

        @Override
        public void zero(long offset, long length) throws IOException {
            assertThat(offset + length).isBetween(0L, MOST_FILE_BYTES);
            super.zero(offset, length);
        }

        @Override
        public void resize(long bytes) throws IOException {
            assertThat(bytes).isBetween(0L, MOST_FILE_BYTES);
            super.resize(bytes);
        }
    }
}
