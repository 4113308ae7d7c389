package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.Cancellation;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointSeries;
import org.vmckpt.cow.checkpoint.DiskIo;

/**
 * Checkpoint after checkpoint with {@code --disk-io reissue} of a guest that reads and writes a
 * slow volume flat out, some of which are restored: nobody finds an error. With -Dvmckpt.soak=10m,
 * or any other time, 200 of them; -Dvmckpt.soak.checkpoints=N says how many. What the guest feels
 * is printed, not judged.
 */
final class ReissueSoakIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int CHECKPOINTS =
            Integer.getInteger(
                    "vmckpt.soak.checkpoints", System.getProperty("vmckpt.soak") == null ? 6 : 200);
    private static final int RESTORES = Math.ceilDiv(CHECKPOINTS, 10);

    /** For each access of a file below the volume: in turn, from checkpoint to checkpoint. */
    private static final long[] DELAYS_MILLIS = {5, 20, 60};

    /** In between, so that frozen layers are folded. */
    private static final long QUICK_MILLIS = 1;

    private final long seed = Long.getLong("vmckpt.soak.seed", System.nanoTime());
    private final Random random = new Random(seed);

    @TempDir private Path folder;

    @Test
    void nobodyFindsAnError() throws Exception {
        System.out.printf(
                "reissue soak: %d checkpoints, %d restores, seed %d%n",
                CHECKPOINTS, RESTORES, seed);
        Path socket = folder.resolve("s");
        VolumeProcess.run("create", folder.resolve("v").toString(), "--size", "16M");
        try (SlowVolumeServer server = new SlowVolumeServer(folder.resolve("v"), socket);
                TestGuest guest =
                        TestGuest.builder()
                                .memory(96 * MIB)
                                .vcpus(1)
                                .extraArguments(VolumeProcess.disk("v", socket))
                                .workload(Workload.flatOut(4 * MIB))
                                .start();
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            String nonce = guest.awaitBoot().nonce();
            guest.console().awaitTick(it -> it.diskWrites() > 100, "writes", SOON);
            List<CheckpointReport> taken = take(guest, store, server);
            server.delay(0);
            print(taken);
            assertThat(guest.console().verify(SOON).errors()).as("seed %d", seed).isZero();
            assertThat(guest.console().faults()).as("seed %d", seed).isEmpty();
            Collections.shuffle(taken, random);
            for (CheckpointReport report : taken.subList(0, RESTORES)) {
                restore(store, report.manifest(), guest, nonce);
            }
        }
    }

    private List<CheckpointReport> take(TestGuest guest, Store store, SlowVolumeServer server)
            throws Exception {
        List<CheckpointReport> taken = new ArrayList<>();
        // A busy host may take long over a pause.
        CheckpointRequest request =
                CheckpointRequest.of(guest.qmpSocket(), store)
                        .withDrainTimeout(SOON)
                        .withDiskIo(DiskIo.REISSUE);
        try (CheckpointSeries series = CheckpointSeries.open(request, "soak")) {
            for (int i = 0; i < CHECKPOINTS; i++) {
                server.delay(QUICK_MILLIS);
                Thread.sleep(random.nextInt(200));
                server.delay(DELAYS_MILLIS[i % DELAYS_MILLIS.length]);
                taken.add(series.take(ProgressListener.none(), new Cancellation()));
                assertThat(guest.console().faults())
                        .as("seed %d, checkpoint %d", seed, i)
                        .isEmpty();
            }
        }
        return taken;
    }

    private void restore(Store store, Manifest manifest, TestGuest guest, String nonce)
            throws Exception {
        Path home = folder.resolve("restored");
        System.out.printf("seed %d: restoring %s%n", seed, manifest.id());
        try (RestoredGuest restored =
                RestoredGuest.restore(store, manifest, guest.folder(), home)) {
            restored.requireGoesOn(nonce);
        }
        Folders.delete(home);
    }

    private static void print(List<CheckpointReport> taken) {
        List<Long> micros = taken.stream().map(it -> it.pause().totalMicros()).sorted().toList();
        long reissued =
                taken.stream()
                        .mapToLong(it -> it.manifest().statistics().get("reissuedRequests"))
                        .sum();
        System.out.printf(
                "pause in us: p50 %d, p99 %d, longest %d; requests issued again: %d%n",
                micros.get(micros.size() / 2),
                micros.get(micros.size() * 99 / 100),
                micros.getLast(),
                reissued);
        assertThat(reissued).as("requests that were answered with EIO").isPositive();
    }
}
