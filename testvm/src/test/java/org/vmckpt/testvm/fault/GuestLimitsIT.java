package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.testvm.GuestMemoryKind;

/** Guests that cannot be checkpointed, or not now, and people who may not. */
final class GuestLimitsIT {
    @TempDir Path folder;

    @ParameterizedTest
    @EnumSource(
            value = GuestMemoryKind.class,
            names = {"ANONYMOUS", "PRIVATE_FILE"})
    void privateMemoryIsRefusedWithTheOptionThatSharesIt(GuestMemoryKind kind) throws Exception {
        try (WatchedGuest guest = WatchedGuest.start(builder -> builder.memoryKind(kind));
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            assertThatThrownBy(() -> guest.checkpoint(store))
                    .isInstanceOf(UnsupportedException.class)
                    .hasMessageContainingAll("memory-backend-memfd", "share=on");
            requireUntouched(guest, store);
        }
    }

    /**
     * What the process may not do differs from user to user, but each must hear what is missing.
     */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace",
                "setpriv --bounding-set -checkpoint_restore,-sys_admin --inh-caps -all"
            })
    void missingPermissionIsNamed(String wrapper) throws Exception {
        try (WatchedGuest guest = WatchedGuest.start(builder -> builder);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            String answer = runElsewhere(List.of(wrapper.split(" ")), guest.guest().qmpSocket());
            assertThat(answer).startsWith("failed UnsupportedException").contains("CAP_");
            System.out.println(answer);
            requireUntouched(guest, store);
        }
    }

    @Test
    void twoCheckpointsOfOneGuestAtOnceAreAConflict() throws Exception {
        try (WatchedGuest guest = WatchedGuest.start(builder -> builder);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            // The look-on's monitor is free for a checkpoint over another socket than the first's.
            guest.watch().close();
            CountDownLatch inside = new CountDownLatch(1);
            CountDownLatch goOn = new CountDownLatch(1);
            CompletableFuture<CheckpointReport> first =
                    CompletableFuture.supplyAsync(() -> takeSlowly(guest, store, inside, goOn));
            inside.await();
            assertThatThrownBy(() -> guest.checkpoint(store))
                    .isInstanceOf(ConflictException.class)
                    .hasMessageContainingAll(
                            Long.toString(guest.guest().pid()), "another checkpoint");
            assertThat(runElsewhere(List.of(), guest.watchSocket()))
                    .as("after the first refusal, from another process and socket")
                    .startsWith("failed ConflictException")
                    .contains("another checkpoint");
            goOn.countDown();
            assertThat(first.join().manifest()).isEqualTo(store.list().getFirst());
            assertThat(store.list()).hasSize(1);
        }
    }

    private static CheckpointReport takeSlowly(
            WatchedGuest guest, Store store, CountDownLatch inside, CountDownLatch goOn) {
        try {
            return CheckpointService.checkpoint(
                    guest.request(store),
                    (phase, done, total, unit) -> {
                        if (phase.equals("publish")) {
                            inside.countDown();
                            awaitQuietly(goOn);
                        }
                    });
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Takes a checkpoint in another process, and returns what it says. */
    private String runElsewhere(List<String> wrapper, Path socket) throws Exception {
        Process process =
                Programs.java(
                        wrapper,
                        HaltingCheckpointMain.class,
                        socket.toString(),
                        folder.resolve("store").toString(),
                        "");
        try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
            return String.valueOf(lines.readLine());
        } finally {
            process.destroyForcibly();
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {4096, Long.MAX_VALUE})
    void budgetThatCannotBeIsRefused(long budgetBytes) throws Exception {
        try (WatchedGuest guest = WatchedGuest.start(builder -> builder);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            CheckpointRequest request = guest.request(store).withCowBudget(budgetBytes);
            assertThatThrownBy(() ->
                            CheckpointService.checkpoint(request, (phase, done, total, unit) -> {}))
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("--cow-budget");
            requireUntouched(guest, store);
        }
    }

    private static void requireUntouched(WatchedGuest guest, Store store) throws Exception {
        assertThat(guest.guest().isRunning()).isTrue();
        assertThat(guest.overlays()).isEmpty();
        assertThat(store.list()).isEmpty();
        assertThat(store.clean().segmentsRemoved()).isZero();
        guest.requireCleanImages();
    }
}
