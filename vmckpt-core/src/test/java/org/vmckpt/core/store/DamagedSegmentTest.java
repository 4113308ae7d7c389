package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/** Whatever happens to a segment's bytes: an error that names it, never wrong data. */
class DamagedSegmentTest {
    private static final int UNIT = 512;

    /** Units per block that the writer takes for this unit size. */
    private static final int BLOCK_UNITS = 512;

    @TempDir static Path folder = Path.of("");

    private static SegmentName name = new SegmentName("device-" + "0".repeat(64));
    private static byte[] sound = new byte[0];
    private static int indexOffset;

    /** Two blocks, one raw and one zstd, and a zero run. */
    @BeforeAll
    static void writeSegment() throws Exception {
        try (Store store = Store.openOrCreate(folder.resolve("store"));
                SegmentWriter writer = store.newSegment(SegmentKind.DISK, UNIT, 20 * UNIT)) {
            writer.append(new long[] {9, 2}, 2, ByteBuffer.wrap(Fixture.noise(1, 1)));
            byte[] text = new byte[3 * UNIT];
            Arrays.fill(text, (byte) 'x');
            writer.append(new long[] {4, 5, 6}, 3, ByteBuffer.wrap(text));
            writer.appendZeros(12, 5);
            name = writer.finish();
            sound = Files.readAllBytes(Fixture.segmentFile(store, name));
        }
        indexOffset =
                (int)
                        ByteBuffer.wrap(sound)
                                .order(ByteOrder.LITTLE_ENDIAN)
                                .getLong(sound.length - SegmentFormat.FOOTER_BYTES);
    }

    @Test
    void everyFlippedBitIsFoundAndNamed() throws Exception {
        assertThat(readAll(sound, name)).isNull();
        for (int at = 0; at < sound.length; at++) {
            byte[] bytes = sound.clone();
            bytes[at] ^= (byte) (1 << (at % 8));
            Throwable problem = readAll(bytes, name);
            assertThat(problem)
                    .as("flip in byte " + at)
                    .isInstanceOfAny(CorruptException.class, UnsupportedException.class)
                    .hasMessageContaining(name.value());
            if (at >= SegmentFormat.HEADER_BYTES && at < indexOffset) {
                int block = at < SegmentFormat.HEADER_BYTES + 2 * UNIT ? 0 : 1;
                assertThat(problem).hasMessageContaining("block " + block + ":");
            }
        }
    }

    @Test
    void everyTruncationIsFoundAndNamed() throws Exception {
        for (int length = 0; length < sound.length; length++) {
            assertThat(readAll(Arrays.copyOf(sound, length), name))
                    .as("cut to " + length)
                    .isInstanceOf(CorruptException.class)
                    .hasMessageContaining(name.value());
        }
    }

    @Test
    void aBlockThatIsCutAfterOpeningIsNamed() throws Exception {
        Path file = Files.write(Files.createTempFile(folder, "cut", ".seg"), sound);
        try (SegmentReader reader = SegmentReader.open(file, name)) {
            Files.write(file, Arrays.copyOf(sound, SegmentFormat.HEADER_BYTES + UNIT));
            ByteBuffer unit = ByteBuffer.allocate(UNIT);
            assertThat(catchThrowable(() -> reader.read(9, unit)))
                    .isInstanceOf(CorruptException.class)
                    .hasMessageContaining(name.value())
                    .hasMessageContaining("block 0:");
        }
    }

    @Test
    void foreignBytesAreNoSegment() {
        Seeds.forEach(
                200,
                random -> {
                    byte[] bytes = new byte[Seeds.pick(random, 0, 255)];
                    random.nextBytes(bytes);
                    assertThat(readAll(bytes, name)).isInstanceOf(VmckptException.class);
                });
    }

    /** Someone who computes digests over nonsense gets no further than an error. */
    @Test
    void nonsenseWithRightDigestsIsNeverAnIndexError() {
        Seeds.forEach(1000, this::readNonsense);
    }

    private void readNonsense(Random random) throws Exception {
        byte[] index =
                Arrays.copyOfRange(sound, indexOffset, sound.length - SegmentFormat.FOOTER_BYTES);
        byte[] bytes = sound.clone();
        int changes = 1 + random.nextInt(3);
        for (int i = 0; i < changes; i++) {
            // Mostly the index, sometimes the header behind the version.
            if (random.nextInt(5) == 0) {
                bytes[12 + random.nextInt(20)] = (byte) random.nextInt();
            } else {
                index[random.nextInt(index.length)] = (byte) random.nextInt();
            }
        }
        if (random.nextInt(3) == 0) {
            index = Arrays.copyOf(index, random.nextInt(index.length + 4));
        }
        Throwable problem = readForged(bytes, index);
        if (problem != null) {
            assertThat(problem)
                    .isInstanceOf(CorruptException.class)
                    .hasMessageContaining("read segment ");
        }
    }

    private Throwable readForged(byte[] bytes, byte[] index) throws Exception {
        byte[] head = Arrays.copyOf(bytes, SegmentFormat.HEADER_BYTES);
        byte[] both = Arrays.copyOf(head, head.length + index.length);
        System.arraycopy(index, 0, both, head.length, index.length);
        String digest = Sha256.hex(both);
        byte[] footer = new SegmentFooter(indexOffset, index.length, digest).encode();
        ByteBuffer forged = ByteBuffer.allocate(indexOffset + index.length + footer.length);
        forged.put(head).put(bytes, head.length, indexOffset - head.length);
        forged.put(index).put(footer);
        int code = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).getInt(12);
        String prefix = SegmentKind.ofCode(code).orElse(SegmentKind.DISK).prefix();
        return readAll(forged.array(), new SegmentName(prefix + "-" + digest));
    }

    /** The error of reading everything in a file of these bytes; null when there is none. */
    private static Throwable readAll(byte[] bytes, SegmentName expected) throws Exception {
        Path file = folder.resolve(HexFormat.of().toHexDigits(Thread.currentThread().threadId()));
        Files.write(file, bytes);
        return catchThrowable(() -> {
            try (SegmentReader reader = SegmentReader.open(file, expected)) {
                reader.forEachBlock((units, count, data) -> {});
                reader.forEachZeroRun((first, count) -> {});
                ByteBuffer unit = ByteBuffer.allocate(reader.unitSizeBytes());
                for (long i = 0; i < Math.min(reader.unitCount(), BLOCK_UNITS); i++) {
                    reader.read(i, unit.clear());
                }
            }
        });
    }
}
