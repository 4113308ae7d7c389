package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.LayeredReader;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.memory.GuestMemory;
import org.vmckpt.cow.memory.RamRegion;

/** Judges the memory of a checkpoint by that of its guest, which stands still. */
final class StoredMemory {
    private static final Duration SOON = Duration.ofSeconds(60);

    private StoredMemory() {}

    /** The one memory backend of a guest. */
    static RamRegion region(TestGuest guest, QmpClient qmp) throws Exception {
        List<RamRegion> regions = GuestMemory.inspect(guest.pid(), qmp);
        assertThat(regions).hasSize(1);
        return regions.getFirst();
    }

    static RamRegion region(TestGuest guest) throws Exception {
        try (QmpClient qmp = QmpClient.connect(guest.qmpSocket(), SOON)) {
            return region(guest, qmp);
        }
    }

    static void requireEqual(Store store, Manifest manifest, TestGuest guest) throws Exception {
        requireEqual(store, manifest, region(guest));
    }

    static void requireEqual(Store store, Manifest manifest, RamRegion region) throws Exception {
        MemoryBlock block = manifest.memory().getFirst();
        assertThat(block.id()).isEqualTo(region.id());
        assertThat(block.sizeBytes()).isEqualTo(region.sizeBytes());
        ByteBuffer live = ByteBuffer.allocate(region.pageSizeBytes());
        ByteBuffer stored = ByteBuffer.allocate(region.pageSizeBytes());
        try (FileChannel memory = FileChannel.open(region.mapFile(), StandardOpenOption.READ);
                LayeredReader reader = store.openLayers(block.layers())) {
            for (long page = 0; page < region.pageCount(); page++) {
                memory.read(live.clear(), region.fileOffset() + page * region.pageSizeBytes());
                reader.read(page, stored.clear());
                assertThat(stored.flip()).as("page %d", page).isEqualTo(live.flip());
            }
        }
    }
}
