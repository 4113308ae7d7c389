package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.AnnotatedElementContext;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.io.TempDirFactory;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/**
 * A store beside a plain map from checkpoint to memory: whatever is taken, forked, removed, folded
 * and expired, in whatever order, each checkpoint that is left holds the bytes that the map says.
 */
class StoreModelPropertyTest {
    private static final int PAGES = 24;
    private static final int STEPS = 50;

    @TempDir(factory = FolderInMemory.class)
    Path folder = Path.of("");

    @Test
    void everyVisibleCheckpointHoldsItsBytes() {
        Seeds.forEach(6, this::changeAndCheck);
    }

    private void changeAndCheck(Random random) throws Exception {
        try (Store store = Store.openOrCreate(newFolder())) {
            Map<CheckpointId, byte[]> model = new TreeMap<>();
            for (int step = 0; step < STEPS; step++) {
                switch (random.nextInt(10)) {
                    case 0 -> remove(store, model, random);
                    case 1 -> compact(store, model, random);
                    case 2 -> retain(store, model, random, step);
                    case 3 -> check(store, model);
                    default -> checkpoint(store, model, random, step, false);
                }
            }
            check(store, model);
            store.clean();
            assertThat(Chains.present(store)).isEqualTo(Chains.listed(store));
            check(store, model);
        }
    }

    /** What a watch does: 200 epochs of a busy guest, of which ten are kept. */
    @Test
    void aLongWatchKeepsFewCheckpointsInAStoreOfBoundedSize() {
        Seeds.forEach(1, this::watch);
    }

    private void watch(Random random) throws Exception {
        try (Store store = Store.openOrCreate(newFolder())) {
            Map<CheckpointId, byte[]> model = new TreeMap<>();
            for (int step = 0; step < 200; step++) {
                checkpoint(store, model, random, step, true);
                Manifest last = store.list().getLast();
                List<CheckpointId> removed =
                        Retention.newest(10).apply(store, last, last.createdAt()).removed();
                removed.forEach(model::remove);
                Compactor.compactAll(store, ProgressListener.none());
                assertThat(last.memory().getFirst().layers())
                        .hasSizeLessThanOrEqualTo(Compactor.MAX_LAYERS + 1);
            }
            assertThat(store.list()).hasSize(10);
            check(store, model);
            assertThat(Chains.present(store)).isEqualTo(Chains.listed(store)).hasSizeLessThan(20);
            long bytes = 0;
            for (SegmentName name : Chains.present(store)) {
                bytes += store.segmentBytes(name);
            }
            assertThat(bytes).isLessThan(5L * PAGES * Fixture.PAGE);
        }
    }

    /** For each try. */
    private Path newFolder() throws IOException {
        return Files.createTempDirectory(folder, "store");
    }

    private static void checkpoint(
            Store store, Map<CheckpointId, byte[]> model, Random random, int step, boolean straight)
            throws VmckptException {
        List<Manifest> all = store.list();
        boolean alone = all.isEmpty() || (!straight && random.nextInt(20) == 0);
        boolean fork = !alone && !straight && random.nextInt(5) == 0;
        Optional<Manifest> parent =
                alone
                        ? Optional.empty()
                        : Optional.of(fork ? all.get(random.nextInt(all.size())) : all.getLast());
        byte[] memory = new byte[PAGES * Fixture.PAGE];
        List<SegmentName> layers = new ArrayList<>();
        if (parent.isPresent()) {
            byte[] before = Objects.requireNonNull(model.get(parent.get().id()));
            memory = Arrays.copyOf(before, before.length);
            layers.addAll(parent.get().memory().getFirst().layers());
        }
        layers.add(Chains.layer(store, PAGES, Chains.change(memory, random, random.nextInt(9))));
        Instant at = Fixture.TIME.plusSeconds(step);
        Manifest manifest = Chains.manifest(store, at, memory.length, layers);
        store.publish(!straight && random.nextInt(8) == 0 ? manifest : manifest.inSeries("watch"));
        model.put(manifest.id(), memory);
    }

    private static void remove(Store store, Map<CheckpointId, byte[]> model, Random random)
            throws VmckptException {
        List<CheckpointId> ids = new ArrayList<>(model.keySet());
        if (!ids.isEmpty()) {
            CheckpointId id = ids.get(random.nextInt(ids.size()));
            store.remove(id);
            model.remove(id);
        }
    }

    private static void compact(Store store, Map<CheckpointId, byte[]> model, Random random)
            throws VmckptException {
        List<CheckpointId> ids = new ArrayList<>(model.keySet());
        Optional<CheckpointId> only =
                ids.isEmpty() || random.nextBoolean()
                        ? Optional.empty()
                        : Optional.of(ids.get(random.nextInt(ids.size())));
        int maxLayers = 1 + random.nextInt(8);
        CompactionReport report =
                Compactor.compact(store, only, maxLayers, ProgressListener.none());
        assertThat(report.problems()).isEmpty();
        for (Manifest manifest : store.list()) {
            if (only.isEmpty() || manifest.id().equals(only.get())) {
                assertThat(manifest.memory().getFirst().layers())
                        .hasSizeLessThanOrEqualTo(maxLayers);
            }
        }
    }

    private static void retain(
            Store store, Map<CheckpointId, byte[]> model, Random random, int step)
            throws VmckptException {
        List<Manifest> all = store.list();
        if (!all.isEmpty()) {
            Manifest member = all.get(random.nextInt(all.size()));
            Instant now = Fixture.TIME.plusSeconds(step);
            Retention policy = Retention.newest(1 + random.nextInt(12));
            List<CheckpointId> removed = policy.apply(store, member, now).removed();
            assertThat(member.series().isPresent() || removed.isEmpty()).isTrue();
            removed.forEach(model::remove);
        }
    }

    private static void check(Store store, Map<CheckpointId, byte[]> model) throws VmckptException {
        List<Manifest> all = store.list();
        assertThat(all.stream().map(Manifest::id)).hasSameElementsAs(model.keySet());
        for (Manifest manifest : all) {
            assertThat(Chains.read(store, manifest)).isEqualTo(model.get(manifest.id()));
        }
    }

    /** Thousands of small files are synced, which is not what is tested here. */
    static final class FolderInMemory implements TempDirFactory {
        @Override
        public Path createTempDirectory(AnnotatedElementContext element, ExtensionContext extension)
                throws IOException {
            Path memory = Path.of("/dev/shm");
            return Files.isWritable(memory)
                    ? Files.createTempDirectory(memory, "vmckpt-model")
                    : Files.createTempDirectory("vmckpt-model");
        }
    }
}
