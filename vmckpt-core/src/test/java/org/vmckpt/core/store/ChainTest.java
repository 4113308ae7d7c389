package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.SegmentName;

/** Long chains of checkpoints: each one stays what it was, whatever happens to the others. */
class ChainTest {
    private static final int PAGES = 40;
    private static final int LENGTH = 30;

    @TempDir private Path folder;
    @AutoClose private Store store;
    private final List<Manifest> chain = new ArrayList<>();
    private final List<byte[]> contents = new ArrayList<>();

    @BeforeEach
    void makeAChain() throws Exception {
        store = Store.openOrCreate(folder.resolve("store"));
        Random random = new Random(7);
        byte[] model = new byte[PAGES * Fixture.PAGE];
        for (int i = 0; i < LENGTH; i++) {
            Optional<Manifest> parent = chain.isEmpty() ? Optional.empty() : last();
            chain.add(Chains.next(store, parent, model, random));
            contents.add(model.clone());
        }
    }

    private Optional<Manifest> last() {
        return Optional.of(chain.getLast());
    }

    @Test
    void eachMemberReadsAsItWasAndVerifies() throws Exception {
        assertThat(store.list()).containsExactlyElementsOf(chain);
        checkAllBut(Set.of());
    }

    @Test
    void theOldestTheMiddleAndTheNewestCanBeRemoved() throws Exception {
        Set<Integer> removed = new HashSet<>();
        for (int number : List.of(0, 1, LENGTH / 2, LENGTH - 2)) {
            RemoveReport report = store.remove(chain.get(number).id());
            assertThat(report.segmentsRemoved()).as("all are ancestors of the newest").isZero();
            removed.add(number);
            checkAllBut(removed);
        }
        RemoveReport report = store.remove(chain.getLast().id());
        assertThat(report.segmentsRemoved()).as("its own, and that of the one before").isEqualTo(2);
        removed.add(LENGTH - 1);
        checkAllBut(removed);
    }

    @Test
    void aMemberIsImportedWhereSomeOfItsSegmentsAreAlready() throws Exception {
        try (Store other = Store.openOrCreate(folder.resolve("other"))) {
            for (int number : List.of(LENGTH / 2, LENGTH - 1, 3)) {
                ByteArrayOutputStream stream = new ByteArrayOutputStream();
                store.exportTo(chain.get(number), stream, ProgressListener.none());
                other.importFrom(
                        new ByteArrayInputStream(stream.toByteArray()), ProgressListener.none());
                assertThat(Chains.read(other, chain.get(number))).isEqualTo(contents.get(number));
            }
            other.remove(chain.getLast().id());
            assertThat(Chains.read(other, chain.get(LENGTH / 2)))
                    .isEqualTo(contents.get(LENGTH / 2));
            assertThat(other.verify(chain.get(3), ProgressListener.none()).problems()).isEmpty();
        }
    }

    @Test
    void aFlippedBitInAnAncestorIsNamedWhereverItIsUsed() throws Exception {
        SegmentName ancestor = chain.getFirst().memory().getFirst().layers().getFirst();
        Path file = Fixture.segmentFile(store, ancestor);
        byte[] bytes = Files.readAllBytes(file);
        bytes[SegmentFormat.HEADER_BYTES + 1] ^= 1;
        Files.write(file, bytes);
        assertThat(store.verify(chain.getLast(), ProgressListener.none()).problems())
                .singleElement()
                .asString()
                .contains(ancestor.value(), "block 0");
        assertThatThrownBy(() -> Chains.read(store, chain.getLast()))
                .isInstanceOf(CorruptException.class)
                .hasMessageContaining(ancestor.value());
        assertThatThrownBy(() ->
                        store.exportTo(
                                chain.getLast(),
                                new ByteArrayOutputStream(),
                                ProgressListener.none()))
                .isInstanceOf(CorruptException.class)
                .hasMessageContaining(ancestor.value());
    }

    @Test
    void aPageThatBecameZerosHidesWhatItHeldBefore() throws Exception {
        byte[] model = Fixture.noise(3, 5);
        SegmentName base = Fixture.memory(store, model);
        TreeMap<Integer, byte[]> cleared = new TreeMap<>();
        cleared.put(1, new byte[Fixture.PAGE]);
        SegmentName zeros = Chains.layer(store, 3, cleared);
        Arrays.fill(model, Fixture.PAGE, 2 * Fixture.PAGE, (byte) 0);
        try (LayeredReader reader = store.openLayers(List.of(base, zeros))) {
            assertThat(Fixture.read(reader)).isEqualTo(model);
            assertThat(reader.state(1)).isEqualTo(UnitState.ZERO);
        }
        try (SegmentReader reader = store.openSegment(zeros)) {
            assertThat(reader.state(0)).isEqualTo(UnitState.ABSENT);
            assertThat(reader.state(1)).isEqualTo(UnitState.ZERO);
        }
    }

    @Test
    void aShorterLayerHidesWhatOlderOnesHoldBeyondItsEnd() throws Exception {
        SegmentName base = Fixture.memory(store, Fixture.noise(6, 5));
        SegmentName shrunk = Chains.layer(store, 2, new TreeMap<>());
        SegmentName grown = Chains.layer(store, 5, new TreeMap<>());
        byte[] expected = Arrays.copyOf(Fixture.noise(6, 5), 5 * Fixture.PAGE);
        Arrays.fill(expected, 2 * Fixture.PAGE, expected.length, (byte) 0);
        try (LayeredReader reader = store.openLayers(List.of(base, shrunk, grown))) {
            assertThat(Fixture.read(reader)).isEqualTo(expected);
            assertThat(reader.state(1)).isEqualTo(UnitState.DATA);
            assertThat(reader.state(2)).isEqualTo(UnitState.ZERO);
            byte[] visited = new byte[expected.length];
            reader.forEachBlock((units, count, data) -> {
                for (int i = 0; i < count; i++) {
                    int at = (int) units[i] * Fixture.PAGE;
                    data.get(data.position() + i * Fixture.PAGE, visited, at, Fixture.PAGE);
                }
            });
            assertThat(visited).isEqualTo(expected);
            List<Long> zeros = new ArrayList<>();
            reader.forEachZeroRun((first, count) -> zeros.addAll(List.of(first, count)));
            assertThat(zeros).containsExactly(2L, 3L);
        }
    }

    private void checkAllBut(Set<Integer> removed) throws Exception {
        assertThat(store.list()).hasSize(LENGTH - removed.size());
        for (int i = 0; i < LENGTH; i++) {
            if (!removed.contains(i)) {
                assertThat(Chains.read(store, chain.get(i))).as("%d", i).isEqualTo(contents.get(i));
                assertThat(restored(i)).as("%d", i).isEqualTo(contents.get(i));
                assertThat(store.verify(chain.get(i), ProgressListener.none()).problems())
                        .isEmpty();
            }
        }
    }

    /** As a restore reads: block after block, into memory that is all zeros. */
    private byte[] restored(int number) throws Exception {
        byte[] memory = new byte[PAGES * Fixture.PAGE];
        List<SegmentName> layers = chain.get(number).memory().getFirst().layers();
        try (LayeredReader reader = store.openLayers(layers)) {
            reader.forEachBlock((units, count, data) -> {
                ByteBuffer block = data.duplicate();
                for (int i = 0; i < count; i++) {
                    block.get(memory, (int) units[i] * Fixture.PAGE, Fixture.PAGE);
                }
            });
        }
        return memory;
    }
}
