package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Which layers are folded, without any. */
class FoldPlanTest {
    private static final long MIB = 1 << 20;

    @Test
    void aShortChainStaysAsItIs() {
        assertThat(plan(sizes(100, 1, 1, 1), 16, 3)).isEmpty();
        assertThat(plan(sizes(100), 16, 0)).isEmpty();
    }

    @Test
    void layersBetweenKeptCheckpointsGoFirst() {
        assertThat(plan(sizes(100, 1, 1, 1, 1, 1), 4, 0, 3, 5)).contains(new FoldPlan(1, 4));
    }

    @Test
    void theBaseStaysUntilHalfOfItChanged() {
        assertThat(plan(sizes(100, 9, 9, 9, 9, 9), 4, 5)).contains(new FoldPlan(1, 6));
        assertThat(plan(sizes(100, 11, 11, 11, 11, 11), 4, 5)).contains(new FoldPlan(0, 6));
    }

    @Test
    void layersThatOverwriteEachOtherAreFoldedBeforeThereAreMany() {
        assertThat(plan(sizes(10, 10, 10), 16, 2)).isEmpty();
        assertThat(plan(sizes(10, 10, 10, 10), 16, 3)).contains(new FoldPlan(0, 4));
        assertThat(plan(sizes(10, 10, 10, 10), 16, 0, 1, 2, 3)).isEmpty();
    }

    @Test
    void oneLayerCanBeAskedFor() {
        assertThat(plan(sizes(100, 1, 1), 1, 2)).contains(new FoldPlan(0, 3));
        assertThat(plan(sizes(100, 1, 1), 1, 0, 1, 2)).contains(new FoldPlan(0, 3));
    }

    /** Whatever is kept: the chain stays short, and what is written is a small multiple. */
    @Test
    void aWatchedGuestsChainStaysShortAtLittleCost() {
        Seeds.forEach(60, FoldPlanTest::watch);
    }

    private static void watch(Random random) {
        int maxLayers = Seeds.pick(random, 2, Compactor.MAX_LAYERS);
        int kept = Seeds.pick(random, 1, 40);
        long base = 1024 * MIB;
        List<Long> sizes = new ArrayList<>(List.of(base));
        List<Integer> tops = new ArrayList<>(List.of(0));
        long given = base;
        long written = 0;
        for (int epoch = 0; epoch < 1000; epoch++) {
            long size = MIB + random.nextLong(20 * MIB);
            given += size;
            sizes.add(size);
            tops.add(sizes.size() - 1);
            while (tops.size() > kept) {
                tops.removeFirst();
            }
            Optional<FoldPlan> plan = plan(sizes, tops, maxLayers);
            while (plan.isPresent()) {
                written += fold(sizes, tops, plan.get(), base);
                plan = plan(sizes, tops, maxLayers);
            }
            assertThat(sizes).hasSizeLessThanOrEqualTo(maxLayers);
        }
        if (maxLayers == Compactor.MAX_LAYERS) {
            assertThat(written / given).isLessThan(5);
        }
    }

    private static long fold(List<Long> sizes, List<Integer> tops, FoldPlan plan, long mostBytes) {
        assertThat(plan.first()).isBetween(0, plan.end() - 2);
        assertThat(plan.end()).isLessThanOrEqualTo(sizes.size());
        List<Long> run = sizes.subList(plan.first(), plan.end());
        long merged = Math.min(mostBytes, run.stream().mapToLong(Long::longValue).sum());
        run.clear();
        sizes.add(plan.first(), merged);
        int gone = plan.end() - plan.first() - 1;
        // Those that end inside keep the layers that they have: another chain.
        tops.removeIf(top -> top >= plan.first() && top < plan.end() - 1);
        tops.replaceAll(top -> top >= plan.end() - 1 ? top - gone : top);
        return merged;
    }

    private static Optional<FoldPlan> plan(List<Long> sizes, List<Integer> tops, int maxLayers) {
        return plan(
                sizes.stream().mapToLong(Long::longValue).toArray(),
                maxLayers,
                tops.stream().mapToInt(Integer::intValue).toArray());
    }

    private static Optional<FoldPlan> plan(long[] sizes, int maxLayers, int... tops) {
        BitSet set = new BitSet();
        for (int top : tops) {
            set.set(top);
        }
        set.set(sizes.length - 1);
        return FoldPlan.of(sizes, set, maxLayers);
    }

    private static long[] sizes(long... mebibytes) {
        long[] bytes = new long[mebibytes.length];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = mebibytes[i] * MIB;
        }
        return bytes;
    }
}
