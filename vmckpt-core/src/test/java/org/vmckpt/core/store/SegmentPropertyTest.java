package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** What goes in comes out, whatever the order, the batches and the layers. */
class SegmentPropertyTest {
    private static final int UNIT = 512;

    @TempDir Path folder = Path.of("");

    @Test
    void layersReadAsTheModelSays() {
        Seeds.forEach(25, this::writeAndRead);
    }

    private void writeAndRead(Random random) throws Exception {
        int units = Seeds.pick(random, 1, 2500);
        int layers = Seeds.pick(random, 1, 3);
        byte[] model = new byte[units * UNIT];
        UnitState[] states = new UnitState[units];
        Arrays.fill(states, UnitState.ABSENT);
        try (Store store = Store.openOrCreate(folder.resolve("store"))) {
            List<SegmentName> names = new ArrayList<>();
            for (int i = 0; i < layers; i++) {
                names.add(writeLayer(store, random, units, model, states));
            }
            try (LayeredReader reader = store.openLayers(names)) {
                assertThat(Fixture.read(reader)).isEqualTo(model);
                for (int unit = 0; unit < units; unit++) {
                    assertThat(reader.state(unit)).isEqualTo(states[unit]);
                }
                checkVisits(reader, model, states);
            }
            store.abandon(names);
            assertThat(store.clean().segmentsRemoved()).isPositive();
        }
    }

    /** Appends a random part of the units in random order and batches, and updates the model. */
    private static SegmentName writeLayer(
            Store store, Random random, int units, byte[] model, UnitState[] states)
            throws VmckptException {
        List<Integer> order = new ArrayList<>();
        for (int unit = 0; unit < units; unit++) {
            if (random.nextInt(3) > 0) {
                order.add(unit);
            }
        }
        if (random.nextBoolean()) {
            Collections.shuffle(order, random);
        }
        try (SegmentWriter writer =
                store.newSegment(SegmentKind.MEMORY, UNIT, (long) units * UNIT)) {
            int from = 0;
            while (from < order.size()) {
                int end = Math.min(order.size(), from + 1 + random.nextInt(700));
                writeBatch(writer, random, order.subList(from, end), model, states);
                from = end;
            }
            return writer.finish();
        }
    }

    private static void writeBatch(
            SegmentWriter writer,
            Random random,
            List<Integer> batch,
            byte[] model,
            UnitState[] states)
            throws VmckptException {
        int lead = random.nextInt(8);
        ByteBuffer data =
                random.nextBoolean()
                        ? ByteBuffer.allocateDirect(lead + batch.size() * UNIT)
                        : ByteBuffer.allocate(lead + batch.size() * UNIT);
        data.position(lead);
        long[] numbers = new long[batch.size() + 3];
        for (int i = 0; i < batch.size(); i++) {
            int unit = batch.get(i);
            byte[] content = randomUnit(random);
            numbers[i] = unit;
            data.put(content);
            System.arraycopy(content, 0, model, unit * UNIT, UNIT);
            boolean zero = Arrays.equals(content, new byte[UNIT]);
            states[unit] = zero ? UnitState.ZERO : UnitState.DATA;
        }
        data.position(lead);
        writer.append(numbers, batch.size(), data);
        assertThat(data.position()).isEqualTo(lead);
        assertThat(data.remaining()).isEqualTo(batch.size() * UNIT);
    }

    /** Zeros, one byte at the end, text, or noise. */
    private static byte[] randomUnit(Random random) {
        byte[] content = new byte[UNIT];
        switch (random.nextInt(4)) {
            case 0 -> content[0] = 0;
            case 1 -> content[UNIT - 1] = 1;
            case 2 -> Arrays.fill(content, (byte) random.nextInt());
            default -> random.nextBytes(content);
        }
        return content;
    }

    private static void checkVisits(UnitReader reader, byte[] model, UnitState[] states)
            throws VmckptException {
        UnitState[] visited = new UnitState[states.length];
        Arrays.fill(visited, UnitState.ABSENT);
        reader.forEachBlock((units, count, data) -> {
            for (int i = 0; i < count; i++) {
                int unit = (int) units[i];
                assertThat(visited[unit]).isEqualTo(UnitState.ABSENT);
                visited[unit] = UnitState.DATA;
                ByteBuffer expected = ByteBuffer.wrap(model, unit * UNIT, UNIT);
                assertThat(data.slice(data.position() + i * UNIT, UNIT)).isEqualTo(expected);
            }
        });
        reader.forEachZeroRun((first, count) -> {
            for (int unit = (int) first; unit < first + count; unit++) {
                assertThat(visited[unit]).isEqualTo(UnitState.ABSENT);
                visited[unit] = UnitState.ZERO;
            }
        });
        assertThat(visited).isEqualTo(states);
    }
}
