package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointService;

/** Somebody else changes the guest's state while its checkpoint is prepared: they meant it. */
final class ChangedGuestIT {
    @TempDir Path folder;

    /** The last report before the pause is where the other one comes in. */
    private static ProgressListener commandRightBeforeThePause(QmpClient other, String command) {
        return (phase, done, total, unit) -> {
            if (phase.equals("pause")) {
                try {
                    other.execute(command);
                } catch (Exception e) {
                    throw new AssertionError(e);
                }
            }
        };
    }

    @Test
    void guestThatSomebodyStoppedStaysStopped() throws Exception {
        try (WatchedGuest guest = WatchedGuest.start(builder -> builder);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            assertThatThrownBy(() ->
                            CheckpointService.checkpoint(
                                    guest.request(store),
                                    commandRightBeforeThePause(guest.watch(), "stop")))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("stopped by somebody else");
            assertThat(guest.status()).isEqualTo("paused");
            assertThat(guest.overlays()).isEmpty();
            assertThat(store.list()).isEmpty();
            guest.watch().execute("cont");
            guest.checkpoint(store);
            assertThat(store.list()).hasSize(1);
        }
    }

    @Test
    void guestThatSomebodyStartedRunsOn() throws Exception {
        try (WatchedGuest guest = WatchedGuest.start(builder -> builder);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.watch().execute("stop");
            assertThatThrownBy(() ->
                            CheckpointService.checkpoint(
                                    guest.request(store),
                                    commandRightBeforeThePause(guest.watch(), "cont")))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("started by somebody else");
            assertThat(guest.status()).isEqualTo("running");
            assertThat(guest.overlays()).isEmpty();
            assertThat(store.list()).isEmpty();
        }
    }
}
