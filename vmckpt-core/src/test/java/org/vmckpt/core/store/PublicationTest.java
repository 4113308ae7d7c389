package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.StorageException;

/** A manifest whose name cannot be made durable. */
class PublicationTest {
    @TempDir private Path folder;

    /** Fails as often as it is told, then syncs. */
    private static Publication.FolderSync failing(int times) {
        int[] left = {times};
        return path -> {
            if (left[0]-- > 0) {
                throw new IOException("Input/output error");
            }
            DurableFiles.syncFolder(path);
        };
    }

    private static void publish(Store store, Manifest manifest, int failures) throws Exception {
        Publication.publish(
                StoreDirectory.open(store.directory()),
                manifest.id(),
                ManifestCodec.encode(manifest),
                store.directory().resolve("tmp").resolve("manifest"),
                failing(failures));
    }

    private static Manifest unpublished(Store store) throws Exception {
        return Fixture.manifest(
                CheckpointId.create(Fixture.TIME),
                Optional.empty(),
                store.putBytes(SegmentKind.DEVICE, Fixture.noise(1, 1)),
                Fixture.memory(store, Fixture.noise(1, 2)));
    }

    @Test
    void aCheckpointWhoseNameIsNotDurableIsTakenBack() throws Exception {
        try (Store store = Store.openOrCreate(folder.resolve("store"))) {
            Manifest manifest = unpublished(store);
            assertThatThrownBy(() -> publish(store, manifest, 1))
                    .isInstanceOf(StorageException.class)
                    .hasMessageContaining("Input/output error")
                    .hasMessageNotContaining("may exist");
            assertThat(store.list()).isEmpty();
            assertThat(store.directory().resolve("tmp/manifest")).doesNotExist();
            publish(store, manifest, 0);
            assertThat(store.list()).containsExactly(manifest);
        }
    }

    @Test
    void anErrorSaysWhenTheCheckpointMayExist() throws Exception {
        try (Store store = Store.openOrCreate(folder.resolve("store"))) {
            Manifest manifest = unpublished(store);
            assertThatThrownBy(() -> publish(store, manifest, 2))
                    .isInstanceOf(StorageException.class)
                    .hasMessageContaining("may exist")
                    .hasMessageContaining("vmckpt remove " + manifest.id());
        }
    }

    @Test
    void aCheckpointThatWasThereBeforeIsNeverTakenBack() throws Exception {
        try (Store store = Store.openOrCreate(folder.resolve("store"))) {
            Manifest manifest = Fixture.checkpoint(store, 1);
            assertThatThrownBy(() -> publish(store, manifest, 1))
                    .isInstanceOf(StorageException.class);
            assertThat(store.list()).containsExactly(manifest);
            Files.createFile(store.directory().resolve("tmp/manifest"));
            assertThatThrownBy(() -> publish(store, manifest, 0))
                    .isInstanceOf(StorageException.class);
            assertThat(store.list()).containsExactly(manifest);
        }
    }
}
