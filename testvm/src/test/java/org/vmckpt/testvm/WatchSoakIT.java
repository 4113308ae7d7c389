package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.store.StoreHold;

/**
 * {@code vmckpt watch --every 1s} over a loaded guest, for long when asked: -Dvmckpt.soak=10m. What
 * it costs the guest is printed, not judged.
 */
final class WatchSoakIT {
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final Duration SOAK =
            Duration.parse("PT" + System.getProperty("vmckpt.soak", "8s"));

    /** Before that Java still compiles, and its heap still grows. */
    private static final Duration LONG_ENOUGH_FOR_A_TREND = Duration.ofMinutes(3);

    private static final boolean LONG = SOAK.compareTo(LONG_ENOUGH_FOR_A_TREND) >= 0;
    private static final int RESTORES = Integer.getInteger("vmckpt.soak.restores", LONG ? 20 : 2);
    private static final double MOST_GROWTH = 1.15;

    /** The older half of them may go away before they are restored. */
    private static final int KEPT = 30;

    private final long seed = Long.getLong("vmckpt.soak.seed", System.nanoTime());
    private final Random random = new Random(seed);

    @TempDir Path folder;

    @Test
    void guestWorksOnAnyCheckpointRestoresAndMemoryStaysFlat() throws Exception {
        System.out.printf("soak of %s, %d restores, seed %d%n", SOAK, RESTORES, seed);
        List<String> options = List.of("--every", "1s", "--keep", Integer.toString(KEPT));
        try (TestGuest guest = WatchProcess.startGuest();
                WatchProcess watch =
                        WatchProcess.start(guest, folder.resolve("store"), folder, options);
                MemoryTrend memory = MemoryTrend.of(watch.process())) {
            // On a busy host the first ones take long.
            List<JsonNode> first = watch.read(2);
            assertThat(first).as("seed %d", seed).hasSize(2);
            CompletableFuture<List<JsonNode>> later =
                    CompletableFuture.supplyAsync(watch::readToEnd, WatchSoakIT::runAlone);
            restoreNowAndThen(guest, watch);
            watch.terminate();
            watch.requireEnds();
            List<JsonNode> events = new ArrayList<>(first);
            events.addAll(later.join());
            report(events, guest.console().stalls(), memory);
            assertThat(events.getLast().path("failures").asInt()).isZero();
            assertThat(guest.console().verify(SOON).errors()).as("seed %d", seed).isZero();
            assertThat(guest.console().faults()).as("seed %d", seed).isEmpty();
            if (LONG) {
                assertThat(memory.growth()).isLessThanOrEqualTo(MOST_GROWTH);
            }
        }
    }

    /** The common pool has one thread on two processors, and others need it too. */
    private static void runAlone(Runnable task) {
        Thread.ofVirtual().start(task);
    }

    /** Evenly over the time, the last one at its end. */
    private void restoreNowAndThen(TestGuest guest, WatchProcess watch) throws Exception {
        long start = System.nanoTime();
        for (int restore = 1; restore <= RESTORES; restore++) {
            long due = start + SOAK.toNanos() / RESTORES * restore;
            while (System.nanoTime() < due) {
                assertThat(watch.process().isAlive()).as("seed %d", seed).isTrue();
                Thread.sleep(100);
            }
            try (Store store = Store.open(folder.resolve("store"))) {
                verifyAndRestoreAny(store, guest, restore);
            }
        }
    }

    /** While the watch goes on: it takes, removes and folds checkpoints meanwhile. */
    private void verifyAndRestoreAny(Store store, TestGuest guest, int number) throws Exception {
        Path home = folder.resolve("restored-" + number);
        try (StoreHold _ = store.hold()) {
            List<Manifest> all = store.list();
            int candidates = Math.min(all.size(), KEPT / 2);
            Manifest any = all.get(all.size() - 1 - random.nextInt(candidates));
            String what = "seed %d, restore %d, %s".formatted(seed, number, any.id());
            assertThat(store.verify(any, ProgressListener.none()).intact()).as(what).isTrue();
            System.out.printf(
                    "%s: %d layers, among %d%n",
                    what, any.memory().getFirst().layers().size(), all.size());
            RestoredGuest.requireRestores(store, any, guest, home);
        }
        Folders.delete(home);
    }

    private static void report(
            List<JsonNode> events, List<ConsoleLine.Stall> stalls, MemoryTrend memory) {
        List<Long> pauseMicros =
                events.stream()
                        .filter(event -> event.path("event").asText().equals("checkpoint"))
                        .map(event -> event.path("pauseMicros").asLong())
                        .sorted()
                        .toList();
        List<Long> stallMicros =
                stalls.stream()
                        .map(stall -> stall.maxNanos() / 1000)
                        .sorted(Comparator.reverseOrder())
                        .limit(20)
                        .toList();
        System.out.printf("end: %s%n", events.getLast());
        System.out.printf(
                "pause in us: p50 %d, p99 %d, longest %d%n",
                pauseMicros.get(pauseMicros.size() / 2),
                pauseMicros.get(pauseMicros.size() * 99 / 100),
                pauseMicros.getLast());
        System.out.printf("the guest's longest stalls in us: %s%n", stallMicros);
        System.out.printf(
                "memory of the watch in MiB: %s; last third to middle third %.3f%n",
                memory.shown(), memory.growth());
    }
}
