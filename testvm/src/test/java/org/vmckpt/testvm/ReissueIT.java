package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.UnsupportedException;
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
    private static final int CHECKPOINTS = 2;
    private static final String REISSUED = "reissuedRequests";

    @TempDir private Path folder;

    private static List<String> disk(TestDisk.Bus bus, Path socket, String errors) {
        List<String> arguments = new ArrayList<>();
        arguments.add("-blockdev");
        arguments.add("driver=nbd,node-name=vol,export=v,server.type=unix,server.path=" + socket);
        if (bus == TestDisk.Bus.VIRTIO_SCSI) {
            arguments.addAll(List.of("-device", "virtio-scsi-pci,id=scsi"));
        }
        String device = bus == TestDisk.Bus.VIRTIO_SCSI ? "scsi-hd,bus=scsi.0" : "virtio-blk-pci";
        arguments.addAll(List.of("-device", device + ",drive=vol,id=vol-disk" + errors));
        return arguments;
    }

    private TestGuest guest(TestDisk.Bus bus, Path socket, String errors) {
        return TestGuest.builder()
                .memory(128 * MIB)
                .vcpus(1)
                .extraArguments(disk(bus, socket, errors))
                .workload(Workload.flatOut(4 * MIB))
                .start();
    }

    private static CheckpointReport checkpoint(TestGuest guest, Store store, DiskIo diskIo)
            throws Exception {
        CheckpointRequest request =
                new CheckpointRequest(
                        guest.qmpSocket(),
                        store,
                        Optional.empty(),
                        OptionalLong.empty(),
                        Duration.ofSeconds(20),
                        Optional.of(EngineName.UFFD),
                        false,
                        diskIo);
        return CheckpointService.checkpoint(request, ProgressListener.none());
    }

    @ParameterizedTest
    @EnumSource
    void pendingRequestsAreIssuedAgainHereAndInTheRestoredGuest(TestDisk.Bus bus) throws Exception {
        Path socket = folder.resolve("s");
        VolumeProcess.run("create", folder.resolve("v").toString(), "--size", "16M");
        try (SlowVolumeServer server = new SlowVolumeServer(folder.resolve("v"), socket);
                TestGuest guest = guest(bus, socket, ",werror=stop,rerror=stop");
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            ConsoleLine.Boot boot = guest.awaitBoot();
            guest.console().awaitTick(it -> it.diskWrites() > 100, "writes", SOON);
            server.delay(DELAY_MILLIS);
            print(bus, DiskIo.DRAIN, checkpoint(guest, store, DiskIo.DRAIN));
            List<Manifest> taken = new ArrayList<>();
            long reissued = 0;
            for (int i = 0; i < CHECKPOINTS; i++) {
                // By default, since the device allows it.
                CheckpointReport report = checkpoint(guest, store, DiskIo.AUTO);
                print(bus, DiskIo.REISSUE, report);
                taken.add(report.manifest());
                reissued += report.manifest().statistics().getOrDefault(REISSUED, 0L);
            }
            assertThat(reissued).as("requests that were answered with EIO").isPositive();
            server.delay(0);
            for (Manifest manifest : taken) {
                try (RestoredGuest restored =
                        RestoredGuest.restore(
                                store,
                                manifest,
                                guest.folder(),
                                folder.resolve("restored-" + manifest.id()))) {
                    restored.requireGoesOn(boot.nonce());
                }
            }
            assertThat(guest.console().verify(SOON).errors()).isZero();
            assertThat(guest.console().faults()).isEmpty();
        }
    }

    private static void print(TestDisk.Bus bus, DiskIo diskIo, CheckpointReport report) {
        System.out.printf(
                "%s %s: pause %.1f ms, requests issued again: %s%n",
                bus,
                diskIo,
                report.manifest().statistics().getOrDefault("pauseMicros", 0L) / 1000.0,
                report.manifest().statistics().get(REISSUED));
    }

    /** Requests are held at each of these points. */
    @ParameterizedTest
    @ValueSource(strings = {"STOPPED", "FORKED", "DEVICES_SAVED"})
    void aCheckpointThatIsKilledWhileItHoldsRequestsLeavesTheGuestRunning(String point)
            throws Exception {
        Path socket = folder.resolve("s");
        VolumeProcess.run("create", folder.resolve("v").toString(), "--size", "16M");
        try (SlowVolumeServer server = new SlowVolumeServer(folder.resolve("v"), socket);
                TestGuest guest =
                        guest(TestDisk.Bus.VIRTIO_BLK, socket, ",werror=stop,rerror=stop");
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            guest.awaitBoot();
            guest.console().awaitTick(it -> it.diskWrites() > 100, "writes", SOON);
            server.delay(50);
            HaltedCheckpoint.killAt(
                    point, guest.qmpSocket(), store, EngineName.UFFD, DiskIo.REISSUE);
            server.delay(0);
            long writes = guest.console().latestTick().orElseThrow().diskWrites();
            guest.console().awaitTick(it -> it.diskWrites() > writes + 100, "writes", SOON);
            assertThat(guest.console().verify(SOON).errors()).isZero();
            assertThat(guest.console().faults()).isEmpty();
            checkpoint(guest, store, DiskIo.REISSUE);
        }
    }

    @Test
    void aDeviceThatTellsTheGuestOfErrorsIsDrainedAndTheOptionToAddIsSaid() throws Exception {
        Path socket = folder.resolve("s");
        VolumeProcess.run("create", folder.resolve("v").toString(), "--size", "16M");
        try (var _ = new SlowVolumeServer(folder.resolve("v"), socket);
                TestGuest guest = guest(TestDisk.Bus.VIRTIO_BLK, socket, ",werror=stop");
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
                    .contains("vol-disk")
                    .contains("rerror=auto")
                    .contains("-device …,werror=stop,rerror=stop");
            assertThat(checkpoint(guest, store, DiskIo.DRAIN).warnings()).isEmpty();
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }
}
