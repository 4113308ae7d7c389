package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.Cancellation;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointSeries;
import org.vmckpt.cow.serving.ControlClient;

/** Continuous checkpoints over a volume: its chain stays short, and nothing is copied twice. */
final class VolumeSeriesIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int CHECKPOINTS = 3;
    private static final int WRITES_THAT_FILL_THE_VOLUME = 1000;

    @TempDir private Path folder;

    private CheckpointReport take(CheckpointSeries series) throws Exception {
        return series.take(ProgressListener.none(), new Cancellation());
    }

    @Test
    void layersAreFoldedInTheBackgroundAndTheBaseIsCopiedOnce() throws Exception {
        Path volume = folder.resolve("v");
        Path socket = folder.resolve("s");
        VolumeProcess.run("create", volume.toString(), "--size", "16M");
        VolumeProcess server = VolumeProcess.start(volume, socket);
        try (Store store = Store.openOrCreate(folder.resolve("store"));
                TestGuest guest =
                        TestGuest.builder()
                                .memory(128 * MIB)
                                .vcpus(1)
                                .extraArguments(VolumeProcess.disk("v", socket))
                                .workload(Workload.busy(4 * MIB))
                                .start()) {
            String nonce = guest.awaitBoot().nonce();
            awaitWrites(guest, WRITES_THAT_FILL_THE_VOLUME);
            guest.console().diskRate(Rate.IDLE);
            List<Manifest> taken = new ArrayList<>();
            try (CheckpointSeries series =
                    CheckpointSeries.open(PatientRequest.of(guest.qmpSocket(), store), "test")) {
                long base = take(series).diskReadBytes();
                for (int i = 0; i < CHECKPOINTS; i++) {
                    writeSome(guest);
                    CheckpointReport report = take(series);
                    taken.add(report.manifest());
                    assertThat(report.diskReadBytes()).isLessThan(base / 2);
                    assertThat(report.warnings()).isEmpty();
                }
                awaitLayers(server, 2);
                assertThat(take(series).diskReadBytes())
                        .as("all was folded into one file meanwhile")
                        .isLessThan(base / 2);
                awaitLayers(server, 2);
                // Another process cannot vouch for what this one did.
                server.end();
                server = VolumeProcess.start(volume, socket);
                taken.add(take(series).manifest());
            }
            for (Manifest manifest : List.of(taken.get(1), taken.getLast())) {
                try (RestoredGuest restored =
                        RestoredGuest.restore(
                                store,
                                manifest,
                                guest.folder(),
                                folder.resolve("restored-" + manifest.id()))) {
                    restored.requireGoesOn(nonce);
                }
            }
            assertThat(guest.console().verify(SOON).errors()).isZero();
            assertThat(guest.console().faults()).isEmpty();
        } finally {
            server.close();
        }
    }

    private static void awaitLayers(VolumeProcess server, int count) throws Exception {
        try (ControlClient control = server.control()) {
            Awaitility.await()
                    .atMost(SOON)
                    .untilAsserted(() -> {
                        JsonNode status = control.status().path("volumes").path(0);
                        assertThat(status.path("layers")).hasSize(count);
                        assertThat(status.path("holds")).isEmpty();
                    });
        }
    }

    /** As few in every epoch, however busy the host is. */
    private static void writeSome(TestGuest guest) {
        guest.console().diskRate(Rate.perSecond(10));
        awaitWrites(guest, 1);
        guest.console().diskRate(Rate.IDLE);
    }

    private static void awaitWrites(TestGuest guest, int more) {
        long before = guest.console().latestTick().map(ConsoleLine.Tick::diskWrites).orElse(0L);
        guest.console().awaitTick(it -> it.diskWrites() >= before + more, "writes", SOON);
    }
}
