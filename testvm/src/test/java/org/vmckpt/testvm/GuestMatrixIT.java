package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.testvm.TestDisk.Attachment;
import org.vmckpt.testvm.TestDisk.Bus;
import org.vmckpt.testvm.TestDisk.Format;

/** Guests of many kinds are checkpointed under load and come back. */
final class GuestMatrixIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);

    /** A memory file can be protected on tmpfs only. */
    @TempDir(factory = OnTmpfs.class)
    Path folder;

    /** One way to put a guest together. */
    record Kind(
            String machine,
            boolean vga,
            int vcpus,
            GuestMemoryKind memory,
            int numaNodes,
            Attachment attachment,
            Bus bus) {
        TestGuestBuilder builder() {
            TestDisk disk = new TestDisk(8 * MIB, Format.QCOW2, attachment, bus);
            return TestGuest.builder()
                    .memory(128 * MIB)
                    .machine(machine)
                    .extraArguments(List.of("-vga", vga ? "std" : "none"))
                    .vcpus(vcpus)
                    .memoryKind(memory)
                    .numaNodes(numaNodes)
                    .disk(disk)
                    .workload(Workload.busy(8 * MIB));
        }
    }

    /** Every two values of two columns meet in one row: no need for all 128 combinations. */
    static Stream<Kind> kinds() {
        GuestMemoryKind usual = GuestMemoryKind.usual();
        GuestMemoryKind file = GuestMemoryKind.FILE;
        Attachment drive = Attachment.DRIVE;
        Attachment blockdev = Attachment.BLOCKDEV;
        return Stream.of(
                new Kind("pc", false, 1, usual, 1, drive, Bus.VIRTIO_BLK),
                new Kind("q35", true, 1, file, 1, blockdev, Bus.VIRTIO_BLK),
                new Kind("q35", false, 4, file, 2, drive, Bus.VIRTIO_BLK),
                new Kind("q35", false, 4, usual, 1, blockdev, Bus.VIRTIO_SCSI),
                new Kind("pc", true, 4, usual, 2, blockdev, Bus.VIRTIO_SCSI),
                new Kind("pc", true, 1, file, 2, drive, Bus.VIRTIO_SCSI));
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void guestComesBackFromACheckpointUnderLoad(Kind kind) throws Exception {
        try (TestGuest guest = booted(kind);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            ConsoleLine.Boot boot = guest.awaitBoot();
            assertThat(boot.vcpus()).isEqualTo(kind.vcpus());
            assertThat(boot.disks()).hasSize(1);
            awaitWork(guest.console());
            Manifest manifest =
                    CheckpointService.checkpoint(
                                    PatientRequest.of(guest.qmpSocket(), store),
                                    ProgressListener.none())
                            .manifest();
            assertThat(manifest.memory()).hasSize(kind.numaNodes());
            RestoredGuest.requireRestores(store, manifest, guest, folder.resolve("restored"));
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    /**
     * Under TCG a guest kernel with four vCPUs has been seen to lock up while it booted ("soft
     * lockup", a kworker), before vmckpt had seen anything of it. It gets a second chance.
     */
    private TestGuest booted(Kind kind) {
        TestGuest guest = start(kind, "guest");
        try {
            guest.awaitBoot();
            return guest;
        } catch (TestGuestException lockedUp) {
            guest.close();
            System.err.println("booting again: " + lockedUp.getCause());
            return start(kind, "guest-again");
        }
    }

    private TestGuest start(Kind kind, String name) {
        return kind.builder().directory(folder.resolve(name)).start();
    }

    private static void awaitWork(GuestConsole console) {
        console.awaitTick(
                tick -> tick.memoryPages() > 0 && tick.diskWrites() > 0,
                "memory and disk being written",
                SOON);
    }
}
