package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

class SegmentTest {
    private static final int PAGE = Fixture.PAGE;

    @TempDir private Path folder;
    @AutoClose private Store store;

    @BeforeEach
    void openStore() throws VmckptException {
        store = Store.openOrCreate(folder.resolve("store"));
    }

    @Test
    void goldenBytesOfASegmentAreThoseOfTheFormatDocument() throws Exception {
        SegmentName name;
        try (SegmentWriter writer = store.newSegment(SegmentKind.MEMORY, 512, 5 * 512)) {
            ByteBuffer noise = ByteBuffer.allocateDirect(1024);
            noise.put(Fixture.noise(1, 7), 0, 1024).flip();
            writer.append(new long[] {3, 1}, 2, noise);
            writer.appendZeros(4, 1);
            name = writer.finish();
        }
        byte[] bytes = Files.readAllBytes(Fixture.segmentFile(store, name));
        String stored = HexFormat.of().formatHex(Arrays.copyOfRange(bytes, 32, 32 + 1024));
        String hex = HexFormat.of().formatHex(bytes);
        assertThat(hex)
                .startsWith(
                        "564d434b5345470a" // magic
                                + "01000000" // version
                                + "01000000" // memory
                                + "00020000" // unit size
                                + "00020000" // units per block
                                + "000a000000000000"); // content bytes
        assertThat(stored).isEqualTo(HexFormat.of().formatHex(Fixture.noise(1, 7), 0, 1024));
        String digest = Sha256.hex(Arrays.copyOfRange(bytes, 32, 32 + 1024));
        String index =
                "01" // one block
                        + "00" // raw
                        + "8008" // 1024 bytes
                        + "02" // two runs
                        + "0601" // unit 3
                        + "0501" // unit 1: three back from 4
                        + digest
                        + "01" // one zero run
                        + "0401"; // unit 4
        byte[] headAndIndex = HexFormat.of().parseHex(hex.substring(0, 64) + index);
        String footer =
                "2004000000000000" // index offset
                        + HexFormat.of().toHexDigits((byte) (index.length() / 2))
                        + "00000000000000"
                        + Sha256.hex(headAndIndex)
                        + "8c04000000000000" // file size
                        + "564d434b454e440a";
        assertThat(hex.substring(2 * (32 + 1024))).isEqualTo(index + footer);
        assertThat(name.value()).isEqualTo("memory-" + Sha256.hex(headAndIndex));
    }

    @Test
    void unitsComeBackInTheirThreeStates() throws Exception {
        byte[] content = Fixture.noise(3, 1);
        SegmentName name;
        try (SegmentWriter writer = store.newSegment(SegmentKind.MEMORY, PAGE, 10 * PAGE)) {
            Arrays.fill(content, PAGE, 2 * PAGE, (byte) 0);
            writer.append(new long[] {7, 2, 0}, 3, ByteBuffer.wrap(content));
            writer.appendZeros(4, 2);
            name = writer.finish();
        }
        try (SegmentReader reader = store.openSegment(name)) {
            assertThat(states(reader))
                    .isEqualTo("DATA ABSENT ZERO ABSENT ZERO ZERO ABSENT DATA ABSENT ABSENT");
            ByteBuffer page = ByteBuffer.allocate(PAGE);
            reader.read(7, page);
            assertThat(page.array()).isEqualTo(Arrays.copyOf(content, PAGE));
            reader.read(0, page.clear());
            assertThat(page.array()).isEqualTo(Arrays.copyOfRange(content, 2 * PAGE, 3 * PAGE));
            reader.read(2, page.clear());
            assertThat(page.array()).containsOnly(0);
            List<String> zeros = new ArrayList<>();
            reader.forEachZeroRun((first, count) -> zeros.add(first + "+" + count));
            assertThat(zeros).containsExactly("2+1", "4+2");
        }
    }

    @Test
    void lastUnitMayBePartial() throws Exception {
        byte[] content = Arrays.copyOf(Fixture.noise(40, 3), 100_001);
        SegmentName name = store.putBytes(SegmentKind.DEVICE, content);
        assertThat(store.getBytes(name)).isEqualTo(content);
        assertThat(store.getBytes(store.putBytes(SegmentKind.DEVICE, new byte[0]))).isEmpty();
    }

    @Test
    void aUnitAppendedTwiceSpoilsTheSegment() throws Exception {
        try (SegmentWriter writer = store.newSegment(SegmentKind.MEMORY, PAGE, 10 * PAGE)) {
            ByteBuffer page = ByteBuffer.wrap(Fixture.noise(1, 1));
            writer.append(new long[] {1}, 1, page);
            assertThatThrownBy(() -> writer.append(new long[] {1}, 1, page))
                    .isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(writer::finish).isInstanceOf(IllegalStateException.class);
        }
        assertThat(folder.resolve("store/segments")).isEmptyDirectory();
    }

    @Test
    void closeWithoutFinishLeavesNothing() throws Exception {
        try (SegmentWriter writer = store.newSegment(SegmentKind.MEMORY, PAGE, 10 * PAGE)) {
            writer.append(new long[] {1}, 1, ByteBuffer.wrap(Fixture.noise(1, 1)));
        }
        store.close();
        assertThat(folder.resolve("store/segments")).isEmptyDirectory();
        assertThat(folder.resolve("store/tmp")).isEmptyDirectory();
    }

    @Test
    void severalThreadsAppendToOneSegment() throws Exception {
        int threads = 4;
        int pagesPerThread = 300;
        byte[] content = Fixture.noise(threads * pagesPerThread, 5);
        // Every third page shrinks, every seventh is zero.
        for (int page = 0; page < threads * pagesPerThread; page++) {
            if (page % 7 == 0) {
                Arrays.fill(content, page * PAGE, (page + 1) * PAGE, (byte) 0);
            } else if (page % 3 == 0) {
                Arrays.fill(content, page * PAGE + 100, (page + 1) * PAGE, (byte) page);
            }
        }
        SegmentName name;
        try (SegmentWriter writer = store.newSegment(SegmentKind.MEMORY, PAGE, content.length);
                ExecutorService executor = Executors.newFixedThreadPool(threads)) {
            List<Future<?>> done = new ArrayList<>();
            for (int thread = 0; thread < threads; thread++) {
                done.add(executor.submit(appendEvery(writer, content, thread, threads)));
            }
            for (Future<?> future : done) {
                future.get();
            }
            name = writer.finish();
        }
        try (SegmentReader reader = store.openSegment(name)) {
            assertThat(Fixture.read(reader)).isEqualTo(content);
        }
    }

    private static Callable<Void> appendEvery(
            SegmentWriter writer, byte[] content, int start, int step) {
        return () -> {
            int batch = 13;
            ByteBuffer data = ByteBuffer.allocateDirect(batch * PAGE);
            long[] pages = new long[batch];
            int count = 0;
            int total = content.length / PAGE;
            for (int page = start; page < total; page += step) {
                data.put(content, page * PAGE, PAGE);
                pages[count++] = page;
                if (count == batch || page + step >= total) {
                    writer.append(pages, count, data.flip());
                    data.clear();
                    count = 0;
                }
            }
            return null;
        };
    }

    @Test
    void ofSeveralLayersTheTopmostWins() throws Exception {
        byte[] old = Fixture.noise(6, 1);
        byte[] young = Fixture.noise(6, 2);
        SegmentName bottom = memoryOf(old, 6, 0, 1, 2, 3);
        SegmentName top;
        try (SegmentWriter writer = store.newSegment(SegmentKind.MEMORY, PAGE, 6 * PAGE)) {
            writer.append(new long[] {1}, 1, ByteBuffer.wrap(young, PAGE, PAGE));
            writer.appendZeros(2, 1);
            top = writer.finish();
        }
        byte[] expected = new byte[6 * PAGE];
        System.arraycopy(old, 0, expected, 0, 4 * PAGE);
        System.arraycopy(young, PAGE, expected, PAGE, PAGE);
        Arrays.fill(expected, 2 * PAGE, 3 * PAGE, (byte) 0);
        try (LayeredReader reader = store.openLayers(List.of(bottom, top))) {
            assertThat(states(reader)).isEqualTo("DATA DATA ZERO DATA ABSENT ABSENT");
            assertThat(Fixture.read(reader)).isEqualTo(expected);
            assertThat(visited(reader)).isEqualTo(expected);
        }
    }

    @Test
    void aLowerLayerThatIsLargerIsCutAndASmallerOneEndsEarly() throws Exception {
        byte[] content = Fixture.noise(8, 1);
        SegmentName large = memoryOf(content, 8, 0, 1, 2, 3, 4, 5, 6, 7);
        SegmentName small = memoryOf(content, 3, 2);
        try (LayeredReader reader = store.openLayers(List.of(large, small))) {
            assertThat(visited(reader)).isEqualTo(Arrays.copyOf(content, 3 * PAGE));
        }
        try (LayeredReader reader = store.openLayers(List.of(small, large))) {
            assertThat(visited(reader)).isEqualTo(content);
        }
    }

    @Test
    void layersOfDifferentUnitSizesAreRefused() throws Exception {
        SegmentName pages = memoryOf(Fixture.noise(1, 1), 1, 0);
        SegmentName disk;
        try (SegmentWriter writer = store.newSegment(SegmentKind.DISK, 65536, 65536)) {
            disk = writer.finish();
        }
        assertThatThrownBy(() -> store.openLayers(List.of(pages, disk)))
                .isInstanceOf(VmckptException.class)
                .hasMessageContaining(pages.value())
                .hasMessageContaining(disk.value());
    }

    @Test
    void hugeSparseSegmentsStaySmall() throws Exception {
        long contentBytes = 16L << 40;
        SegmentName name;
        try (SegmentWriter writer = store.newSegment(SegmentKind.MEMORY, PAGE, contentBytes)) {
            long units = contentBytes / PAGE;
            writer.append(new long[] {units - 1}, 1, ByteBuffer.wrap(Fixture.noise(1, 1)));
            writer.appendZeros(1 << 20, 1 << 25);
            name = writer.finish();
        }
        try (SegmentReader reader = store.openSegment(name)) {
            assertThat(reader.storedBytes()).isLessThan(2 * PAGE);
            assertThat(reader.state((1 << 20) + 12345)).isEqualTo(UnitState.ZERO);
            assertThat(reader.state(reader.unitCount() - 1)).isEqualTo(UnitState.DATA);
            assertThat(reader.state(reader.unitCount() - 2)).isEqualTo(UnitState.ABSENT);
        }
    }

    /** A segment of so many units that has these pages of the content. */
    private SegmentName memoryOf(byte[] content, int units, long... pages) throws Exception {
        try (SegmentWriter writer =
                store.newSegment(SegmentKind.MEMORY, PAGE, (long) units * PAGE)) {
            for (long page : pages) {
                ByteBuffer data = ByteBuffer.wrap(content, (int) page * PAGE, PAGE);
                writer.append(new long[] {page}, 1, data);
            }
            return writer.finish();
        }
    }

    private static byte[] visited(UnitReader reader) throws Exception {
        byte[] content = new byte[(int) reader.unitCount() * PAGE];
        reader.forEachBlock((units, count, data) -> {
            assertThat(data.remaining()).isEqualTo(count * PAGE);
            for (int i = 0; i < count; i++) {
                data.get(i * PAGE, content, (int) units[i] * PAGE, PAGE);
            }
        });
        return content;
    }

    private static String states(UnitReader reader) {
        List<String> states = new ArrayList<>();
        for (long unit = 0; unit < reader.unitCount(); unit++) {
            states.add(reader.state(unit).name());
        }
        return String.join(" ", states);
    }
}
