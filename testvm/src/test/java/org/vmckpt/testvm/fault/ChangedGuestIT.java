package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.ProbedCheckpoint;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.GuestFile;
import org.vmckpt.cow.linux.NativeBuffer;
import org.vmckpt.cow.memory.GuestMemory;
import org.vmckpt.cow.memory.RamRegion;

/** Somebody else changes the guest's state while its checkpoint is taken: they meant it. */
final class ChangedGuestIT {
    private static final Duration SOON = Duration.ofMinutes(2);

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

    /** After the look at who maps it, which is taken before all else. */
    @Test
    void processThatMapsTheMemoryWhileItIsCopiedIsFound() throws Exception {
        try (WatchedGuest guest = WatchedGuest.start(builder -> builder);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            RamRegion memory = GuestMemory.inspect(guest.guest().pid(), guest.watch()).getFirst();
            try (GuestFile file = GuestFile.openForWriting(memory.mapFile())) {
                Queue<NativeBuffer> mapped = new ConcurrentLinkedQueue<>();
                assertThatThrownBy(() ->
                                CheckpointService.checkpoint(
                                        guest.request(store), onceMapped(file, mapped)))
                        .isInstanceOf(RefusedException.class)
                        .hasMessageContaining("process " + ProcessHandle.current().pid());
                mapped.forEach(NativeBuffer::close);
            }
            assertThat(guest.status()).isEqualTo("running");
            assertThat(store.list()).isEmpty();
            guest.checkpoint(store);
            assertThat(store.list()).hasSize(1);
        }
    }

    private static ProgressListener onceMapped(GuestFile file, Queue<NativeBuffer> mapped) {
        return (phase, done, total, unit) -> {
            if (phase.equals("pause") && mapped.isEmpty()) {
                try {
                    mapped.add(file.map(4096));
                } catch (ErrnoException e) {
                    throw new AssertionError(e);
                }
            }
        };
    }

    @ParameterizedTest
    @ValueSource(strings = {"STOPPED", "FORKED", "ARMED"})
    void guestThatSomebodyResumesInThePauseRunsOn(String moment) throws Exception {
        try (WatchedGuest guest = WatchedGuest.start(builder -> builder);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.guest().awaitBoot();
            assertThatThrownBy(() ->
                            ProbedCheckpoint.take(
                                    guest.request(store),
                                    ProgressListener.none(),
                                    commandAt(moment, guest.watch(), "cont")))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("somebody else resumed or reset the guest");
            assertThat(guest.status()).isEqualTo("running");
            assertThat(guest.overlays()).isEmpty();
            assertThat(store.list()).isEmpty();
            guest.checkpoint(store);
            assertThat(store.list()).hasSize(1);
            assertThat(guest.guest().console().verify(SOON).errors()).isZero();
        }
    }

    private static Consumer<String> commandAt(String moment, QmpClient other, String command) {
        return reached -> {
            if (reached.equals(moment)) {
                try {
                    other.execute(command);
                } catch (VmckptException e) {
                    throw new AssertionError(e);
                }
            }
        };
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
