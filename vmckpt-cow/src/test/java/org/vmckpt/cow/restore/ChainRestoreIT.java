package org.vmckpt.cow.restore;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Compactor;
import org.vmckpt.core.store.SegmentKind;
import org.vmckpt.core.store.SegmentWriter;
import org.vmckpt.core.store.Store;

/** A guest whose memory lies in many layers comes back whole, also while they are folded. */
class ChainRestoreIT {
    private static final int LAYERS = 20;
    private static final int PAGE_BYTES = 4096;
    private static final Duration TIMEOUT = Duration.ofSeconds(60);

    @TempDir Path folder;
    private final List<Long> restored = new ArrayList<>();

    @AfterEach
    void stopGuests() {
        restored.forEach(pid -> ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly));
    }

    @Test
    void everyPageIsThatOfTheLayerThatChangedItLast() throws Exception {
        try (Store store = Store.openOrCreate(folder.resolve("store"));
                StoppedGuest guest = new StoppedGuest(folder, List.of())) {
            guest.awaitCounting();
            Manifest whole = guest.save(store);
            byte[] saved = guest.memory();
            Manifest layered = store.publish(inLayers(store, whole, saved));
            assertThat(layers(layered)).hasSize(LAYERS);

            AtomicInteger compactions = new AtomicInteger();
            ProgressListener foldInTheMiddle =
                    (phase, done, total, unit) -> {
                        if (phase.equals("fill memory") && compactions.getAndIncrement() == 0) {
                            fold(store, layered.id());
                        }
                    };
            assertThat(restoredMemory(store, layered, "during", foldInTheMiddle)).isEqualTo(saved);
            assertThat(compactions).hasPositiveValue();
            store.clean();
            assertThat(layers(store.find(layered.id().value()))).hasSize(1);
            assertThat(restoredMemory(store, layered, "after", ProgressListener.none()))
                    .as("by a manifest from before")
                    .isEqualTo(saved);
        }
    }

    private static List<SegmentName> layers(Manifest manifest) {
        return manifest.memory().getFirst().layers();
    }

    private static void fold(Store store, CheckpointId id) {
        try {
            Compactor.compact(store, Optional.of(id), 1, ProgressListener.none());
        } catch (VmckptException e) {
            throw new AssertionError(e);
        }
    }

    private byte[] restoredMemory(
            Store store, Manifest manifest, String name, ProgressListener progress)
            throws Exception {
        RestoreRequest request =
                RestoreRequest.of(
                                store,
                                manifest,
                                folder.resolve(name + ".qmp"),
                                folder.resolve(name + ".disks"))
                        .withPaused(true);
        RestoreReport report = new RestoreService().restore(request, progress);
        restored.add(report.pid());
        try (QmpClient qmp = QmpClient.connect(report.qmpPath(), TIMEOUT)) {
            return StoppedGuest.memoryOf(report.pid(), qmp);
        }
    }

    /** The same memory: each page in one layer, with other content in older ones. */
    private static Manifest inLayers(Store store, Manifest whole, byte[] memory)
            throws VmckptException {
        Random random = new Random(1);
        List<SegmentName> layers = new ArrayList<>();
        for (int layer = 0; layer < LAYERS; layer++) {
            layers.add(layer(store, memory, layer, random));
        }
        MemoryBlock block = whole.memory().getFirst();
        return new Manifest(
                CheckpointId.create(Instant.now()),
                Optional.of("layered"),
                Instant.now(),
                whole.engine(),
                whole.guest(),
                whole.devices(),
                List.of(
                        new MemoryBlock(
                                block.id(), block.sizeBytes(), block.pageSizeBytes(), layers)),
                whole.disks(),
                whole.statistics());
    }

    private static SegmentName layer(Store store, byte[] memory, int layer, Random random)
            throws VmckptException {
        ByteBuffer page = ByteBuffer.allocateDirect(PAGE_BYTES);
        byte[] noise = new byte[PAGE_BYTES];
        try (SegmentWriter writer =
                store.newSegment(SegmentKind.MEMORY, PAGE_BYTES, memory.length)) {
            for (int number = 0; number < memory.length / PAGE_BYTES; number++) {
                int last = 1 + number % (LAYERS - 1);
                if (layer == last) {
                    page.put(0, memory, number * PAGE_BYTES, PAGE_BYTES);
                } else if (layer == 0 || (layer < last && random.nextInt(4) == 0)) {
                    random.nextBytes(noise);
                    page.put(0, noise);
                } else {
                    continue;
                }
                writer.append(new long[] {number}, 1, page);
            }
            return writer.finish();
        }
    }
}
