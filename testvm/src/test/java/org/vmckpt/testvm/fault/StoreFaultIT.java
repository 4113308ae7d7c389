package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.store.Store;

/** The store's disk is full. Needs root, to mount a small one. */
final class StoreFaultIT {
    @TempDir Path folder;
    private Path mount = Path.of("");

    @BeforeEach
    void mountSmallFileSystem() throws Exception {
        mount = Files.createDirectory(folder.resolve("small"));
        resize("mount", "4m");
    }

    @AfterEach
    void unmount() throws Exception {
        Programs.run("umount", mount.toString());
    }

    /** With so little room memory does not fit; with a little more, the disks do not. */
    private void resize(String how, String size) throws Exception {
        String options = how.equals("mount") ? "size=" + size : "remount,size=" + size;
        Programs.run("mount", "-t", "tmpfs", "-o", options, "vmckpt-test", mount.toString());
    }

    @Test
    void fullStoreFailsTheCheckpointAndTheGuestGoesOnAsBefore() throws Exception {
        Path directory = mount.resolve("store");
        try (WatchedGuest guest = WatchedGuest.boot();
                Store store = Store.openOrCreate(directory)) {
            guest.requireGoesOn();
            List<String> disks = guest.activeFiles();
            Instant start = Instant.now();

            assertThatThrownBy(() -> guest.checkpoint(store))
                    .isInstanceOf(StorageException.class)
                    .hasMessageContainingAll(directory.toString(), "full", "vmckpt remove");

            assertThat(guest.stopsSince(start)).as("it did reach the pause").isEqualTo(1);
            guest.requireGoesOn();
            assertThat(guest.activeFiles()).isEqualTo(disks);
            assertThat(guest.overlays()).isEmpty();
            assertThat(store.list()).isEmpty();
            guest.requireCleanImages();

            resize("remount", "400m");
            guest.requireRestores(store, guest.checkpoint(store).manifest());
            assertThat(store.clean().segmentsSkipped()).isFalse();
            guest.requireAllIsWell();
        }
    }

    /** The room runs out between the pause and the last segment, wherever that is. */
    @Test
    void storeThatFillsUpAtAnyPointLeavesTheGuestAsItWas() throws Exception {
        Path directory = mount.resolve("store");
        resize("remount", "400m");
        try (WatchedGuest guest = WatchedGuest.boot();
                Store store = Store.openOrCreate(directory)) {
            guest.requireGoesOn();
            for (String phase : List.of("pause", "copy disk", "publish")) {
                List<String> disks = guest.activeFiles();
                assertThatThrownBy(() -> StoreFiller.checkpoint(guest, store, mount, phase))
                        .as(phase)
                        .isInstanceOf(StorageException.class)
                        .hasMessageContaining(directory.toString());
                StoreFiller.empty(mount);
                guest.awaitRunning(WatchedGuest.SOON);
                assertThat(guest.activeFiles()).as(phase).isEqualTo(disks);
                assertThat(store.list()).as(phase).isEmpty();
            }
            guest.requireCleanImages();
            guest.requireRestores(store, guest.checkpoint(store).manifest());
            guest.requireAllIsWell();
        }
    }
}
