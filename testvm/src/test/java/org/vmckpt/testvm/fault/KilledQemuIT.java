package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.ProbedCheckpoint;

/** QEMU is killed with SIGKILL at each point of a checkpoint. */
@Timeout(value = 300, unit = TimeUnit.SECONDS)
final class KilledQemuIT {
    @TempDir Path folder;
    @AutoClose private Store store;

    @BeforeEach
    void openStore() throws Exception {
        store = Store.openOrCreate(folder.resolve("store"));
    }

    private CheckpointReport checkpoint(WatchedGuest guest, String point) throws Exception {
        AtomicBoolean killed = new AtomicBoolean();
        return ProbedCheckpoint.take(
                guest.request(store),
                (phase, done, total, unit) -> killAt(guest, point, phase, killed),
                moment -> killAt(guest, point, moment, killed));
    }

    private static void killAt(
            WatchedGuest guest, String point, String reached, AtomicBoolean killed) {
        if (reached.startsWith(point) && killed.compareAndSet(false, true)) {
            guest.guest().kill();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"prepare", "pause", "STOPPED", "FORKED", "DEVICES_SAVED", "ARMED"})
    void checkpointFailsAtOnceAndTheNextRunFindsNothingOfIt(String point) throws Exception {
        Path home = Files.createDirectory(folder.resolve("guest"));
        WatchedGuest first = WatchedGuest.start(home, builder -> builder);
        assertThatThrownBy(() -> checkpoint(first, point))
                .isInstanceOf(TransportException.class)
                .satisfies(
                        e -> System.out.printf("QEMU killed at %s: %s%n", point, e.getMessage()));
        assertThat(store.list()).isEmpty();
        assertThat(store.clean().segmentsSkipped()).isFalse();
        assertThat(folder.resolve("store/segments")).isEmptyDirectory();
        removeSockets(home);
        try (WatchedGuest again = WatchedGuest.start(home, builder -> builder)) {
            assertThat(again.checkpoint(store).warnings()).isEmpty();
            assertThat(again.overlays()).as("one for each disk").hasSize(2);
        }
    }

    private static void removeSockets(Path home) throws IOException {
        for (String name : List.of("qmp.sock", "watch.sock", "command.sock")) {
            Files.deleteIfExists(home.resolve(name));
        }
    }

    /**
     * Everything was taken from QEMU by then: the checkpoint is whole, and worth having. Memory is
     * stored from when it is copied, and QEMU is asked once more after that.
     */
    @ParameterizedTest
    @ValueSource(strings = {"copy disk", "publish", "fold disk"})
    void checkpointThatNeedsQemuNoMoreIsCompleted(String point) throws Exception {
        try (WatchedGuest guest = WatchedGuest.boot()) {
            guest.requireGoesOn();
            if (point.startsWith("fold")) {
                guest.checkpoint(store);
            }
            CheckpointReport report = checkpoint(guest, point);
            Manifest manifest = report.manifest();
            System.out.printf("QEMU killed at %s: %s%n", point, report.warnings());
            assertThat(report.warnings()).isNotEmpty();
            assertThat(store.list()).contains(manifest);
            assertThat(store.verify(manifest, ProgressListener.none()).intact()).isTrue();
        }
    }
}
