package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.SegmentName;

/** A watched guest's store is kept small by another thread, while checkpoints go on. */
class UpkeepTest {
    private static final int KEPT = 5;
    private static final int EPOCHS = 60;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @TempDir private Path folder;
    @AutoClose private Store store;
    private final Random random = new Random(5);
    private final byte[] model = new byte[100 * Fixture.PAGE];
    private final Map<CheckpointId, byte[]> contents = new HashMap<>();

    @BeforeEach
    void openStore() throws Exception {
        store = Store.openOrCreate(folder.resolve("store"));
    }

    /** As a watch does: reads its parent's manifest when it begins, under a hold. */
    private Manifest epoch(Optional<CheckpointId> parent) throws Exception {
        try (StoreHold _ = store.hold()) {
            List<SegmentName> layers = new ArrayList<>();
            if (parent.isPresent()) {
                Manifest stored = store.find(parent.get().value());
                layers.addAll(stored.memory().getFirst().layers());
            }
            layers.add(Chains.layer(store, 100, Chains.change(model, random, 4)));
            Manifest manifest =
                    Chains.manifest(
                                    store,
                                    Fixture.TIME.plusSeconds(contents.size()),
                                    model.length,
                                    layers)
                            .inSeries("watch");
            contents.put(manifest.id(), model.clone());
            return store.publish(manifest);
        }
    }

    @Test
    void oldCheckpointsGoAndChainsStayShortWhileNewOnesAreTaken() throws Exception {
        AtomicBoolean ranInThread = new AtomicBoolean();
        try (Reading reading = new Reading(store);
                Upkeep upkeep =
                        Upkeep.start(
                                store,
                                Optional.of(Retention.newest(KEPT)),
                                () -> ranInThread.set(true))) {
            Optional<CheckpointId> parent = Optional.empty();
            for (int i = 0; i < EPOCHS; i++) {
                Manifest newest = epoch(parent);
                upkeep.published(newest);
                parent = Optional.of(newest.id());
            }
            Manifest last = store.find("latest");
            assertThat(reading.end()).as("verified and exported meanwhile").isPositive();
            upkeep.published(last);
            await(() -> store.list().size() == KEPT && layers(last) <= Compactor.MAX_LAYERS);
            assertThat(ranInThread).isTrue();
            assertThat(upkeep.problem()).isEmpty();
            await(() -> upkeep.checkpointsRemoved() == EPOCHS - KEPT);
            assertThat(store.list()).hasSize(KEPT);
            await(() -> Chains.present(store).equals(Chains.listed(store)));
            await(() -> upkeep.bytesFreed() > 0);
        }
        for (Manifest manifest : store.list()) {
            assertThat(Chains.read(store, manifest)).isEqualTo(contents.get(manifest.id()));
        }
    }

    @Test
    void aProblemIsTold() throws Exception {
        Manifest broken = epoch(Optional.empty());
        Files.writeString(store.directory().resolve("checkpoints/" + broken.id() + ".json"), "");
        try (Upkeep upkeep = Upkeep.start(store, Optional.empty(), () -> {})) {
            upkeep.published(epoch(Optional.empty()));
            await(() -> upkeep.problem().isPresent());
            assertThat(upkeep.problem().orElseThrow()).contains(broken.id().value());
        }
    }

    private int layers(Manifest manifest) throws Exception {
        return store.find(manifest.id().value()).memory().getFirst().layers().size();
    }

    private static void await(Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.call()) {
            assertThat(System.nanoTime() - deadline).as("in time").isNegative();
            Thread.sleep(5);
        }
    }

    /** Verifies and exports whatever there is, all the time. */
    private static final class Reading implements AutoCloseable {
        private final AtomicBoolean ended = new AtomicBoolean();
        private final ExecutorService executor = Executors.newSingleThreadExecutor();
        private final Future<Integer> count;

        Reading(Store store) {
            this.count = executor.submit(() -> read(store, ended));
        }

        private static int read(Store store, AtomicBoolean ended) throws Exception {
            int times = 0;
            while (!ended.get()) {
                for (Manifest manifest : store.list()) {
                    try {
                        VerifyReport report = store.verify(manifest, ProgressListener.none());
                        assertThat(report.problems()).isEmpty();
                        OutputStream nowhere = OutputStream.nullOutputStream();
                        store.exportTo(manifest, nowhere, ProgressListener.none());
                        times++;
                    } catch (NotFoundException e) {
                        assertThat(e).hasMessageContaining("no such checkpoint");
                    }
                    // The store must be free for a moment now and then.
                    Thread.sleep(2);
                }
            }
            return times;
        }

        int end() throws Exception {
            ended.set(true);
            return count.get();
        }

        @Override
        public void close() {
            ended.set(true);
            executor.close();
        }
    }
}
