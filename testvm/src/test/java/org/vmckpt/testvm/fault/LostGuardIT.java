package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.time.Instant;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointService;

/** Nothing pauses a guest unless somebody stands by to resume it. */
final class LostGuardIT {
    private static final String GUARD = "org.vmckpt.cow.guard.GuardMain";

    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"KILL", "STOP"})
    void guestIsNotPausedWithoutAGuardThatAnswers(String signal) throws Exception {
        try (WatchedGuest guest = WatchedGuest.start(builder -> builder);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            Instant start = Instant.now();
            assertThatThrownBy(() ->
                            CheckpointService.checkpoint(
                                    guest.request(store),
                                    (phase, done, total, unit) -> {
                                        if (phase.equals("pause")) {
                                            signalGuard(signal);
                                        }
                                    }))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContainingAll("guard", "not paused");
            assertThat(guest.stopsSince(start)).isZero();
            assertThat(guest.status()).isEqualTo("running");
            assertThat(guest.overlays()).isEmpty();
            assertThat(store.list()).isEmpty();
            await().atMost(WatchedGuest.SOON).until(() -> guards() == 0);
            guest.checkpoint(store);
            assertThat(store.list()).hasSize(1);
        }
    }

    private static void signalGuard(String signal) {
        ProcessHandle guard =
                ProcessHandle.current()
                        .children()
                        .filter(LostGuardIT::isGuard)
                        .findFirst()
                        .orElseThrow();
        try {
            if (signal.equals("STOP")) {
                Programs.suspend(guard);
            } else {
                guard.destroyForcibly();
                guard.onExit().join();
            }
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private static boolean isGuard(ProcessHandle process) {
        return Programs.commandLine(process).contains(GUARD);
    }

    private static long guards() {
        return ProcessHandle.current().children().filter(LostGuardIT::isGuard).count();
    }
}
