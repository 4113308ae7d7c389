package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.nio.file.Files;
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
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.store.Store;

/** {@code vmckpt watch}, as an operator runs it. */
@Timeout(600)
final class WatchIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);

    /** Many more by hand: -Dvmckpt.kills=50. */
    private static final int KILLS = Integer.getInteger("vmckpt.kills", 5);

    private static final long LATEST_KILL_MILLIS = 3000;

    @TempDir Path folder;

    private static TestGuest start() throws Exception {
        TestGuest guest =
                TestGuest.builder()
                        .memory(192 * MIB)
                        .vcpus(2)
                        .disk(TestDisk.qcow2(24 * MIB))
                        .workload(Workload.flatOut(24 * MIB).stall(4 * MIB, Rate.perSecond(500)))
                        .start();
        guest.awaitBoot();
        guest.console().awaitTick(4, SOON);
        return guest;
    }

    private Process watch(TestGuest guest, String... more) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(
                Path.of("../vmckpt-cli/target/vmckpt/bin/vmckpt")
                        .toAbsolutePath()
                        .normalize()
                        .toString());
        command.addAll(List.of("watch", "qmp:" + guest.qmpSocket(), "--json", "--every", "200ms"));
        command.addAll(List.of("--store", store().toString()));
        command.addAll(List.of(more));
        return new ProcessBuilder(command).redirectError(folder.resolve("errors").toFile()).start();
    }

    private Path store() {
        return folder.resolve("store");
    }

    private static List<JsonNode> read(BufferedReader lines, int count) throws Exception {
        List<JsonNode> read = new ArrayList<>();
        String line = "";
        while (read.size() < count && (line = lines.readLine()) != null) {
            read.add(Json.MAPPER.readTree(line));
        }
        return read;
    }

    @Test
    void signalEndsItCleanlyAndTheLastOnesRestore() throws Exception {
        try (TestGuest guest = start()) {
            Process watch = watch(guest, "--keep", "4");
            List<JsonNode> events;
            try (BufferedReader lines = watch.inputReader()) {
                events = read(lines, 24);
                watch.toHandle().destroy();
                events.addAll(read(lines, Integer.MAX_VALUE));
            }
            assertThat(watch.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(watch.exitValue()).as(Files.readString(folder.resolve("errors"))).isZero();
            assertThat(events.getLast().path("event").asText()).isEqualTo("end");
            assertThat(events.getLast().path("failures").asInt()).isZero();
            assertThat(events.getLast().path("checkpointsRemoved").asInt()).isPositive();
            assertThat(guest.console().verify(SOON).errors()).isZero();
            try (Store store = Store.open(store())) {
                List<Manifest> kept = store.list();
                assertThat(kept).hasSizeLessThan(24);
                for (Manifest manifest : List.of(kept.getFirst(), kept.getLast())) {
                    assertThat(store.verify(manifest, ProgressListener.none()).intact()).isTrue();
                    restoreAndRun(store, manifest, guest);
                }
            }
        }
    }

    @Test
    void killedWatchLeavesTheGuestRunningAndTheNextOneGoesOn() throws Exception {
        try (TestGuest guest = start()) {
            Process killed = watch(guest);
            try (BufferedReader lines = killed.inputReader()) {
                read(lines, 5);
            }
            killed.destroyForcibly().waitFor();
            guest.console().awaitTick(guest.console().awaitAnyTick(SOON).counter() + 2, SOON);
            Process next = watch(guest, "--count", "5");
            List<JsonNode> events;
            try (BufferedReader lines = next.inputReader()) {
                events = read(lines, Integer.MAX_VALUE);
            }
            assertThat(next.waitFor()).as(Files.readString(folder.resolve("errors"))).isZero();
            assertThat(events.getLast().path("checkpoints").asInt()).isEqualTo(5);
            assertThat(guest.console().verify(SOON).errors()).isZero();
            try (Store store = Store.open(store())) {
                restoreAndRun(
                        store,
                        store.find(events.get(events.size() - 2).path("id").asText()),
                        guest);
            }
        }
    }

    @Test
    void killsAtRandomInstantsHarmNothing() throws Exception {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        List<Long> stallMicros = new ArrayList<>();
        try (TestGuest guest = start()) {
            for (int kill = 0; kill < KILLS; kill++) {
                int before = guest.console().stalls().size();
                Process watch = watch(guest);
                Thread.sleep(random.nextLong(LATEST_KILL_MILLIS));
                watch.destroyForcibly().waitFor();
                guest.console().awaitTick(guest.console().awaitAnyTick(SOON).counter() + 4, SOON);
                List<ConsoleLine.Stall> stalls = guest.console().stalls();
                stalls.subList(before, stalls.size())
                        .forEach(stall -> stallMicros.add(stall.maxNanos() / 1000));
                assertThat(guest.console().errors()).as("seed %d, kill %d", seed, kill).isZero();
            }
            assertThat(guest.console().verify(SOON).errors()).as("seed %d", seed).isZero();
            Process last = watch(guest, "--count", "2");
            try (BufferedReader lines = last.inputReader()) {
                read(lines, Integer.MAX_VALUE);
            }
            assertThat(last.waitFor()).as(Files.readString(folder.resolve("errors"))).isZero();
            try (Store store = Store.open(store())) {
                restoreAndRun(store, newest(store), guest);
            }
        }
        System.out.printf(
                "%d kills, seed %d: the guest's longest stalls in us %s%n",
                KILLS,
                seed,
                stallMicros.stream().sorted(Comparator.reverseOrder()).limit(10).toList());
    }

    private static Manifest newest(Store store) throws Exception {
        return store.list().stream().max(Comparator.comparing(Manifest::createdAt)).orElseThrow();
    }

    @Test
    void stoppedWatchDoesNotHoldTheGuestUp() throws Exception {
        try (TestGuest guest = start()) {
            Process stopped = watch(guest);
            try (BufferedReader lines = stopped.inputReader()) {
                read(lines, 3);
                Process kill =
                        new ProcessBuilder("kill", "-STOP", Long.toString(stopped.pid())).start();
                assertThat(kill.waitFor()).isZero();
                assertThat(stopped.waitFor(60, TimeUnit.SECONDS)).isTrue();
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
