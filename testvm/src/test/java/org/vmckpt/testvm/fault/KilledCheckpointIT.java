package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.EngineName;

/**
 * The process that takes a checkpoint is killed with SIGKILL, at each point in turn, while one
 * guest works on. The guest and its disks carry the traces from one kill to the next.
 */
final class KilledCheckpointIT {
    private static final Duration AT_MOST = Duration.ofSeconds(20);

    /** One for each state in which the disks can be left: the others leave the same. */
    private static final Set<String> RESTORED =
            Set.of("pause", "FORKED", "store memory", "publish", "fold disk");

    @TempDir static Path folder;
    private static WatchedGuest guest;
    private static Store store;

    @BeforeAll
    static void bootGuest() throws Exception {
        guest = WatchedGuest.boot();
        store = Store.openOrCreate(folder.resolve("store"));
    }

    @AfterAll
    static void endGuest() {
        store.close();
        guest.close();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "prepare",
                "pause",
                "STOPPED",
                "FORKED",
                "DEVICES_SAVED",
                "ARMED",
                "RESUMED",
                "store memory",
                "copy disk",
                "publish",
                "fold disk"
            })
    void guestGoesOnAndTheNextCheckpointCleansUp(String point) throws Exception {
        List<Manifest> before = store.list();
        boolean published = point.startsWith("fold");

        Instant start = Instant.now();
        Instant killed =
                HaltedCheckpoint.killAt(point, guest.guest().qmpSocket(), store, EngineName.UFFD);
        guest.awaitRunning(AT_MOST);
        report(point, start, killed);

        guest.requireGoesOn();
        assertThat(store.list()).hasSize(before.size() + (published ? 1 : 0)).containsAll(before);
        Programs.awaitNoGuard(guest.guest().qmpSocket());
        if (!published) {
            // The fold goes on in QEMU, and locks its files until somebody asks how it ended.
            guest.requireCleanImages();
        }

        Manifest next = guest.checkpoint(store).manifest();
        assertThat(guest.overlays()).as("one overlay for each disk").hasSize(2);
        assertThat(store.clean().segmentsSkipped()).as("a hold of the dead").isFalse();
        assertThat(folder.resolve("store/tmp").toFile().list()).as("only ours").hasSizeLessThan(2);
        guest.requireCleanImages();
        if (RESTORED.contains(point)) {
            guest.requireRestores(store, next);
        }
        guest.requireAllIsWell();
    }

    /** Times are QEMU's; the wait for our own process at the point is part of the pause. */
    private static void report(String point, Instant start, Instant killed) throws VmckptException {
        Optional<Instant> stop = guest.eventAfter(start, "STOP");
        if (stop.isEmpty()) {
            System.out.printf("killed at %s: the guest never stood still%n", point);
            return;
        }
        Instant resume =
                await().atMost(AT_MOST)
                        .until(() -> guest.eventAfter(stop.get(), "RESUME"), Optional::isPresent)
                        .orElseThrow();
        System.out.printf(
                "killed at %s: guest stood still for %d ms, until %d ms after the kill%n",
                point,
                Duration.between(stop.get(), resume).toMillis(),
                Duration.between(killed, resume).toMillis());
        assertThat(Duration.between(killed, resume)).isLessThan(AT_MOST);
    }
}
