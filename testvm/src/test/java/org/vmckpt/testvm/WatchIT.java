package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.store.Store;

/** {@code vmckpt watch}, as an operator runs it. */
@Timeout(1200)
final class WatchIT {
    private static final Duration SOON = Duration.ofSeconds(60);

    /** Many more by hand: -Dvmckpt.kills=50. */
    private static final int KILLS = Integer.getInteger("vmckpt.kills", 2);

    private static final long LATEST_KILL_MILLIS = 3000;

    @TempDir Path folder;

    private WatchProcess watch(TestGuest guest, String... more) throws Exception {
        List<String> options = new ArrayList<>(List.of("--every", "200ms"));
        options.addAll(List.of(more));
        return WatchProcess.start(guest, store(), folder, options);
    }

    private Path store() {
        return folder.resolve("store");
    }

    @Test
    void signalEndsItCleanlyAndTheLastOnesRestore() throws Exception {
        try (TestGuest guest = WatchProcess.startGuest();
                WatchProcess watch = watch(guest, "--keep", "3")) {
            List<JsonNode> events = readUntilRemovedTwice(watch);
            int taken = events.size();
            watch.terminate();
            events.addAll(watch.readToEnd());
            watch.requireEnds();
            assertThat(events.getLast().path("event").asText()).isEqualTo("end");
            assertThat(events.getLast().path("failures").asInt()).isZero();
            assertThat(events.getLast().path("checkpointsRemoved").asInt()).isPositive();
            assertThat(guest.console().verify(SOON).errors()).isZero();
            try (Store store = Store.open(store())) {
                List<Manifest> kept = store.list();
                assertThat(kept).hasSizeLessThan(taken);
                for (Manifest manifest : List.of(kept.getFirst(), kept.getLast())) {
                    assertThat(store.verify(manifest, ProgressListener.none()).intact()).isTrue();
                    restoreAndRun(store, manifest, guest);
                }
            }
        }
    }

    /** The thread that does it may be far behind; what it removed first is counted by then. */
    private List<JsonNode> readUntilRemovedTwice(WatchProcess watch) throws Exception {
        List<JsonNode> events = new ArrayList<>();
        int removed = 0;
        for (int times = 0; times < 2; ) {
            List<JsonNode> next = watch.read(1);
            assertThat(next).as("a watch that goes on").isNotEmpty();
            events.addAll(next);
            try (Store store = Store.open(store())) {
                int now = events.size() - store.list().size();
                times += now > removed ? 1 : 0;
                removed = Math.max(removed, now);
            }
        }
        return events;
    }

    @Test
    void killedWatchLeavesTheGuestRunningAndTheNextOneGoesOn() throws Exception {
        try (TestGuest guest = WatchProcess.startGuest()) {
            try (WatchProcess killed = watch(guest)) {
                killed.read(3);
                killed.kill();
            }
            guest.console().awaitTick(guest.console().awaitAnyTick(SOON).counter() + 2, SOON);
            List<JsonNode> events = takeTo(guest, 3);
            assertThat(events.getLast().path("checkpoints").asInt()).isEqualTo(3);
            assertThat(guest.console().verify(SOON).errors()).isZero();
            try (Store store = Store.open(store())) {
                String last = events.get(events.size() - 2).path("id").asText();
                restoreAndRun(store, store.find(last), guest);
            }
        }
    }

    private List<JsonNode> takeTo(TestGuest guest, int count) throws Exception {
        try (WatchProcess watch = watch(guest, "--count", Integer.toString(count))) {
            List<JsonNode> events = watch.readToEnd();
            watch.requireEnds();
            return events;
        }
    }

    @Test
    void killsAtRandomInstantsHarmNothing() throws Exception {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        try (TestGuest guest = WatchProcess.startGuest()) {
            awaitStallReport(guest);
            System.out.printf(
                    "%d kills, seed %d; longest stall without a watch: %d us%n",
                    KILLS, seed, longestStallMicros(guest, 0));
            for (int kill = 0; kill < KILLS; kill++) {
                int before = guest.console().stalls().size();
                long millis = random.nextLong(LATEST_KILL_MILLIS);
                int alive;
                try (WatchProcess watch = watch(guest)) {
                    Thread.sleep(millis);
                    alive = guest.console().stalls().size();
                    watch.kill();
                }
                awaitStallReport(guest);
                System.out.printf(
                        "kill %d after %d ms: longest stall %d us, %d us of it since the kill%n",
                        kill,
                        millis,
                        longestStallMicros(guest, before),
                        longestStallMicros(guest, alive));
                assertThat(guest.console().errors()).as("seed %d, kill %d", seed, kill).isZero();
            }
            assertThat(guest.console().verify(SOON).errors()).as("seed %d", seed).isZero();
            takeTo(guest, 2);
            try (Store store = Store.open(store())) {
                restoreAndRun(store, newest(store), guest);
            }
        }
    }

    /** Of what the guest does now. */
    private static void awaitStallReport(TestGuest guest) throws Exception {
        int wanted = guest.console().stalls().size() + 2;
        long deadline = System.nanoTime() + SOON.toNanos();
        while (guest.console().stalls().size() < wanted) {
            assertThat(System.nanoTime()).as("the guest reports").isLessThan(deadline);
            Thread.sleep(100);
        }
    }

    /** Since so many reports. */
    private static long longestStallMicros(TestGuest guest, int since) {
        List<ConsoleLine.Stall> stalls = guest.console().stalls();
        return stalls.subList(since, stalls.size()).stream()
                .mapToLong(stall -> stall.maxNanos() / 1000)
                .max()
                .orElseThrow();
    }

    private static Manifest newest(Store store) throws Exception {
        return store.list().stream().max(Comparator.comparing(Manifest::createdAt)).orElseThrow();
    }

    @Test
    void stoppedWatchDoesNotHoldTheGuestUp() throws Exception {
        try (TestGuest guest = WatchProcess.startGuest()) {
            try (WatchProcess stopped = watch(guest)) {
                stopped.read(3);
                long pid = stopped.process().pid();
                Process kill = new ProcessBuilder("kill", "-STOP", Long.toString(pid)).start();
                assertThat(kill.waitFor()).isZero();
                assertThat(stopped.process().waitFor(60, TimeUnit.SECONDS)).isTrue();
            }
            guest.console().awaitTick(guest.console().awaitAnyTick(SOON).counter() + 2, SOON);
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    private void restoreAndRun(Store store, Manifest manifest, TestGuest original)
            throws Exception {
        RestoredGuest.requireRestores(
                store, manifest, original, folder.resolve("restored-" + manifest.id()));
    }
}
