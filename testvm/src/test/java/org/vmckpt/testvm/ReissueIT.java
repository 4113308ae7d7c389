package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.testvm.fault.HaltedCheckpoint;

/** Rules R1 and R3 with {@code --disk-io reissue}: the guest's own workload is the judge. */
final class ReissueIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final long DELAY_MILLIS = 200;
    private static final Duration LIMIT = Duration.ofMillis(DELAY_MILLIS - 10);
    private static final int CHECKPOINTS = 2;

    /** A busy host may stop the guest just when it has no request under way. */
    private static final int MOST_CHECKPOINTS = 5;

    private static final String RETRY = ",werror=stop,rerror=stop";
    private static final String REISSUED = "reissuedRequests";

    @TempDir private Path folder;

    private SlowVolumeServer serve(VolumeAttachment attachment, Path socket) throws Exception {
        return attachment.serve(folder, socket);
    }

    private TestGuest guest(VolumeAttachment attachment, Path socket, String errors) {
        return TestGuest.builder()
                .memory(128 * MIB)
                .vcpus(attachment.threads() ? 2 : 1)
                .extraArguments(attachment.arguments(socket, errors))
                .workload(Workload.busy(4 * MIB).disk(Rate.FLAT_OUT))
                .secondMonitor()
                .start();
    }

    private static CheckpointReport checkpoint(TestGuest guest, Store store, DiskIo diskIo)
            throws Exception {
        return checkpoint(guest, store, diskIo, Duration.ofSeconds(20));
    }

    private static CheckpointReport checkpoint(
            TestGuest guest, Store store, DiskIo diskIo, Duration drainLimit) throws Exception {
        CheckpointRequest request =
                CheckpointRequest.of(guest.qmpSocket(), store)
                        .withEngine(EngineName.UFFD)
                        .withDrainTimeout(drainLimit)
                        .withDiskIo(diskIo);
        return CheckpointService.checkpoint(request, ProgressListener.none());
    }

    /** With -Dvmckpt.soak=... all of them. */
    static Stream<VolumeAttachment> attachments() {
        return System.getProperty("vmckpt.soak") != null
                ? Stream.of(VolumeAttachment.values())
                : Stream.of(
                        VolumeAttachment.FOUR_BLK_WITH_QUEUES_AND_THREADS,
                        VolumeAttachment.TWO_SCSI);
    }

    @ParameterizedTest
    @MethodSource("attachments")
    void pendingRequestsAreIssuedAgainHereAndInTheRestoredGuest(VolumeAttachment attachment)
            throws Exception {
        Path socket = folder.resolve("s");
        try (SlowVolumeServer server = serve(attachment, socket);
                TestGuest guest = guest(attachment, socket, RETRY);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            ConsoleLine.Boot boot = guest.awaitBoot();
            assertThat(boot.disks()).hasSize(attachment.disks());
            awaitWrites(guest, 100);
            server.delay(DELAY_MILLIS);
            if (attachment == VolumeAttachment.ONE_BLK) {
                print(attachment, DiskIo.DRAIN, checkpoint(guest, store, DiskIo.DRAIN));
                // R8: a request takes longer than the limit, which binds a drain alone.
                assertThatThrownBy(() -> checkpoint(guest, store, DiskIo.DRAIN, LIMIT))
                        .isInstanceOf(RefusedException.class)
                        .hasMessageContainingAll("drain limit", "it was not paused");
                checkpoint(guest, store, DiskIo.REISSUE, LIMIT);
            }
            List<Manifest> taken = new ArrayList<>();
            long reissued = 0;
            for (int i = 0; i < CHECKPOINTS || (reissued == 0 && i < MOST_CHECKPOINTS); i++) {
                // By default, since the devices allow it.
                CheckpointReport report = checkpoint(guest, store, DiskIo.AUTO);
                print(attachment, DiskIo.REISSUE, report);
                taken.add(report.manifest());
                reissued += report.manifest().statistics().getOrDefault(REISSUED, 0L);
            }
            assertThat(reissued).as("requests that were answered with EIO").isPositive();
            server.delay(0);
            try (RestoredGuest restored =
                    RestoredGuest.restore(
                            store, taken.getLast(), guest.folder(), folder.resolve("restored"))) {
                restored.requireGoesOn(boot.nonce());
            }
            assertThat(guest.console().verify(SOON).errors()).isZero();
            assertThat(guest.console().faults()).isEmpty();
        }
    }

    private static void awaitWrites(TestGuest guest, long more) {
        long before = guest.console().latestTick().map(ConsoleLine.Tick::diskWrites).orElse(0L);
        guest.console().awaitTick(it -> it.diskWrites() > before + more, "writes", SOON);
    }

    private static void print(VolumeAttachment attachment, DiskIo diskIo, CheckpointReport report) {
        System.out.printf(
                "%s %s: pause %.1f ms, requests issued again: %s%n",
                attachment,
                diskIo,
                report.manifest().statistics().getOrDefault("pauseMicros", 0L) / 1000.0,
                report.manifest().statistics().get(REISSUED));
    }

    @Test
    void aGuestThatARealErrorStoppedIsRefusedAndLeftAsItWas() throws Exception {
        Path socket = folder.resolve("s");
        try (SlowVolumeServer server = serve(VolumeAttachment.ONE_BLK, socket);
                TestGuest guest = guest(VolumeAttachment.ONE_BLK, socket, RETRY);
                QmpClient monitor = QmpClient.connect(guest.secondQmpSocket(), SOON);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitBoot();
            awaitWrites(guest, 100);
            server.fail(true);
            Awaitility.await().atMost(SOON).until(() -> status(monitor).equals("io-error"));
            for (DiskIo diskIo : DiskIo.values()) {
                assertThatThrownBy(() -> checkpoint(guest, store, diskIo))
                        .isInstanceOf(RefusedException.class)
                        .hasMessageContaining("io-error")
                        .hasMessageContaining("mend it and send cont");
                assertThat(status(monitor)).isEqualTo("io-error");
            }
            server.fail(false);
            monitor.execute("cont");
            awaitWrites(guest, 100);
            checkpoint(guest, store, DiskIo.AUTO);
            assertThat(guest.console().verify(SOON).errors()).isZero();
            assertThat(guest.console().faults()).isEmpty();
        }
    }

    private static String status(QmpClient monitor) throws Exception {
        return monitor.execute("query-status").path("status").asText();
    }

    /** Requests are held at each of these points. */
    @ParameterizedTest
    @ValueSource(strings = {"STOPPED", "FORKED", "DEVICES_SAVED"})
    void aCheckpointThatIsKilledWhileItHoldsRequestsLeavesTheGuestRunning(String point)
            throws Exception {
        Path socket = folder.resolve("s");
        try (SlowVolumeServer server = serve(VolumeAttachment.ONE_BLK, socket);
                TestGuest guest = guest(VolumeAttachment.ONE_BLK, socket, RETRY);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitBoot();
            awaitWrites(guest, 100);
            server.delay(50);
            HaltedCheckpoint.killAt(
                    point, guest.qmpSocket(), store, EngineName.UFFD, DiskIo.REISSUE);
            server.delay(0);
            awaitWrites(guest, 100);
            assertThat(guest.console().verify(SOON).errors()).isZero();
            assertThat(guest.console().faults()).isEmpty();
            checkpoint(guest, store, DiskIo.REISSUE);
        }
    }

    @Test
    void aDeviceThatTellsTheGuestOfErrorsIsDrainedAndTheOptionToAddIsSaid() throws Exception {
        Path socket = folder.resolve("s");
        try (var _ = serve(VolumeAttachment.ONE_BLK, socket);
                TestGuest guest = guest(VolumeAttachment.ONE_BLK, socket, ",werror=stop");
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitBoot();
            assertThatThrownBy(() -> checkpoint(guest, store, DiskIo.REISSUE))
                    .isInstanceOf(UnsupportedException.class)
                    .hasMessageContaining("rerror=auto")
                    .hasMessageContaining("werror=stop,rerror=stop");
            CheckpointReport drained = checkpoint(guest, store, DiskIo.AUTO);
            assertThat(drained.manifest().statistics()).doesNotContainKey(REISSUED);
            assertThat(drained.warnings())
                    .singleElement()
                    .asString()
                    .contains("vol-disk0")
                    .contains("rerror=auto")
                    .contains("-device …,werror=stop,rerror=stop");
            assertThat(checkpoint(guest, store, DiskIo.DRAIN).warnings()).isEmpty();
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }
}
