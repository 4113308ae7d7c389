package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** All of a guest's memory is given; only what its parent does not have is stored. */
class ParentComparisonTest {
    private static final int PAGES = 1000;
    private static final int BATCH = 64;

    /** Holes at the end, given as runs. */
    private static final int HOLES = 200;

    @TempDir private Path folder;
    @AutoClose private Store store;
    private final Random random = new Random(3);
    private final byte[] memory = new byte[PAGES * Fixture.PAGE];
    private final List<SegmentName> parent = new ArrayList<>();

    @BeforeEach
    void makeAParentOfThreeLayers() throws Exception {
        store = Store.openOrCreate(folder.resolve("store"));
        parent.add(Chains.layer(store, PAGES, Chains.change(memory, random, 3 * PAGES)));
        parent.add(Chains.layer(store, PAGES, Chains.change(memory, random, 100)));
        parent.add(Chains.layer(store, PAGES, Chains.change(memory, random, 100)));
    }

    @Test
    void onlyWhatChangedIsStored() throws Exception {
        Arrays.fill(memory, (PAGES - HOLES) * Fixture.PAGE, memory.length, (byte) 0);
        Arrays.fill(memory, 130 * Fixture.PAGE, 131 * Fixture.PAGE, (byte) 1);
        parent.set(2, wholeLayer());
        Set<Integer> changed = new HashSet<>();
        for (int page = 0; page < PAGES - HOLES; page += 70) {
            changed.add(page);
            memory[(page + 1) * Fixture.PAGE - 1] ^= 1;
        }
        changed.add(130);
        Arrays.fill(memory, 130 * Fixture.PAGE, 131 * Fixture.PAGE, (byte) 0);
        Result result = compare(memory);
        assertThat(result.layers()).startsWith(parent.toArray(SegmentName[]::new)).hasSize(4);
        assertThat(result.warnings()).isEmpty();
        assertThat(result.unchanged()).isEqualTo(PAGES - changed.size());
        assertThat(read(result.layers())).isEqualTo(memory);
        try (SegmentReader layer = store.openSegment(result.layers().getLast())) {
            for (int page = 0; page < PAGES; page++) {
                assertThat(layer.state(page) != UnitState.ABSENT)
                        .as("page %d", page)
                        .isEqualTo(changed.contains(page));
            }
            assertThat(layer.state(130)).isEqualTo(UnitState.ZERO);
            assertThat(layer.blockCount()).as("changes share a block per thread").isBetween(1, 2);
        }
    }

    @Test
    void holesWhereTheParentHasDataAreStoredAsZeros() throws Exception {
        Arrays.fill(memory, (PAGES - HOLES) * Fixture.PAGE, memory.length, (byte) 0);
        Result result = compare(memory);
        assertThat(read(result.layers())).isEqualTo(memory);
        try (SegmentReader layer = store.openSegment(result.layers().getLast());
                LayeredReader below = store.openLayers(parent)) {
            int cleared = 0;
            for (int page = 0; page < PAGES; page++) {
                boolean hadData = below.state(page) == UnitState.DATA;
                boolean isNow = page >= PAGES - HOLES && hadData;
                assertThat(layer.state(page)).isEqualTo(isNow ? UnitState.ZERO : UnitState.ABSENT);
                cleared += isNow ? 1 : 0;
            }
            assertThat(cleared).isPositive();
        }
    }

    @Test
    void whenNothingChangedThereIsNoNewLayer() throws Exception {
        Arrays.fill(memory, (PAGES - HOLES) * Fixture.PAGE, memory.length, (byte) 0);
        parent.set(2, wholeLayer());
        assertThat(compare(memory).layers()).isEqualTo(parent);
    }

    @Test
    void aDamagedParentIsNotBuiltOnAndNothingIsLost() throws Exception {
        damageALateBlock(parent.getFirst());
        memory[5] ^= 1;
        Arrays.fill(memory, (PAGES - HOLES) * Fixture.PAGE, memory.length, (byte) 0);
        Result result = compare(memory);
        assertThat(result.warnings())
                .singleElement()
                .asString()
                .contains(parent.getFirst().value(), "does not build on its parent");
        assertThat(result.unchanged()).as("left to the parent at first").isPositive();
        assertThat(result.layers()).hasSize(1).doesNotContainAnyElementsOf(parent);
        assertThat(read(result.layers())).isEqualTo(memory);
    }

    @Test
    void aParentThatIsGoneOrOfAnotherSizeIsNotBuiltOn() throws Exception {
        Files.delete(Fixture.segmentFile(store, parent.get(1)));
        Arrays.fill(memory, (PAGES - HOLES) * Fixture.PAGE, memory.length, (byte) 0);
        Result gone = compare(memory);
        assertThat(gone.warnings()).singleElement().asString().contains(parent.get(1).value());
        assertThat(read(gone.layers())).isEqualTo(memory);
        parent.clear();
        parent.add(Fixture.memory(store, Arrays.copyOf(memory, 9 * Fixture.PAGE)));
        Result smaller = compare(memory);
        assertThat(smaller.warnings()).singleElement().asString().contains("bytes");
        assertThat(smaller.layers()).hasSize(1);
        assertThat(read(smaller.layers())).isEqualTo(memory);
    }

    @Test
    void ofSomeUnitsThoseThatDifferAreStoredAndTheRestIsTheParents() throws Exception {
        memory[100 * Fixture.PAGE] ^= 1;
        List<SegmentName> layers = compareSome(64, 2 * BATCH);
        assertThat(layers).startsWith(parent.toArray(SegmentName[]::new)).hasSize(4);
        assertThat(read(layers)).isEqualTo(memory);
        try (SegmentReader layer = store.openSegment(layers.getLast())) {
            for (int page = 0; page < PAGES; page++) {
                assertThat(layer.state(page) != UnitState.ABSENT)
                        .as("page %d", page)
                        .isEqualTo(page == 100);
            }
        }
        parent.clear();
        parent.addAll(layers);
        assertThat(compareSome(0, PAGES - HOLES)).isEqualTo(layers);
    }

    @Test
    void ofSomeUnitsADamagedParentIsAnErrorAndNamed() throws Exception {
        damageALateBlock(parent.getFirst());
        assertThatThrownBy(() -> compareSome(0, PAGES - HOLES))
                .isInstanceOf(CorruptException.class)
                .hasMessageContaining(parent.getFirst().value());
        Files.delete(Fixture.segmentFile(store, parent.get(1)));
        assertThatThrownBy(() -> compareSome(0, 1))
                .isInstanceOf(VmckptException.class)
                .hasMessageContaining(parent.get(1).value());
    }

    private List<SegmentName> compareSome(int first, int count) throws VmckptException {
        try (SegmentWriter writer =
                        store.newSegment(SegmentKind.MEMORY, Fixture.PAGE, memory.length);
                ParentComparison comparison = ParentComparison.ofSome(store, parent, writer)) {
            append(comparison, memory, first, count);
            return comparison.finish();
        }
    }

    private record Result(List<SegmentName> layers, List<String> warnings, long unchanged) {}

    /** Gives all pages, those in order as the copier does, others scattered, from two threads. */
    private Result compare(byte[] content) throws Exception {
        try (SegmentWriter writer =
                        store.newSegment(SegmentKind.MEMORY, Fixture.PAGE, content.length);
                ParentComparison comparison = ParentComparison.of(store, parent, writer);
                ExecutorService threads = Executors.newFixedThreadPool(2)) {
            List<Callable<Void>> calls = new ArrayList<>();
            for (int from = 0; from < PAGES - HOLES; from += BATCH) {
                int first = from;
                int count = Math.min(BATCH, PAGES - HOLES - first);
                calls.add(() -> {
                    append(comparison, content, first, count);
                    return null;
                });
            }
            for (Future<Void> call : threads.invokeAll(calls)) {
                call.get();
            }
            comparison.appendZeros(PAGES - HOLES, HOLES);
            long unchanged = comparison.unchangedUnits();
            List<SegmentName> layers = comparison.finish();
            return new Result(layers, comparison.warning().stream().toList(), unchanged);
        }
    }

    private static void append(ParentComparison comparison, byte[] content, int first, int count)
            throws VmckptException {
        long[] pages = new long[count + 1];
        for (int i = 0; i < count; i++) {
            pages[i] = (long) first + i;
        }
        ByteBuffer data = ByteBuffer.allocateDirect((count + 1) * Fixture.PAGE).position(8);
        data.put(content, first * Fixture.PAGE, count * Fixture.PAGE);
        comparison.append(pages, count, data.flip().position(8));
    }

    private SegmentName wholeLayer() throws VmckptException {
        return Fixture.memory(store, memory);
    }

    private byte[] read(List<SegmentName> layers) throws VmckptException {
        try (LayeredReader reader = store.openLayers(layers)) {
            return Fixture.read(reader);
        }
    }

    private void damageALateBlock(SegmentName name) throws Exception {
        Path file = Fixture.segmentFile(store, name);
        byte[] bytes = Files.readAllBytes(file);
        bytes[(int) (bytes.length * 0.7)] ^= 1;
        Files.write(file, bytes);
    }
}
