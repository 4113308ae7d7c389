package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Json;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.linux.GuestFile;
import org.vmckpt.cow.linux.NativeBuffer;
import org.vmckpt.cow.linux.Tracee;
import org.vmckpt.cow.linux.UnixPeer;

/** Needs root and QEMU. */
@Timeout(300)
class UffdAttachmentIT {
    private static final int ROUNDS = 1000;

    @TempDir private Path folder;

    @Test
    void sharedMemoryIsFoundAndItsSocketTellsThePid() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.SHARED)) {
            assertThat(UnixPeer.pidOf(qemu.socket)).isEqualTo(qemu.pid());
            List<RamRegion> regions = qemu.regions();
            assertThat(regions).hasSize(1);
            assertThat(regions.getFirst().id()).isEqualTo("mem0");
            assertThat(regions.getFirst().sizeBytes()).isEqualTo(64L << 20);
        }
    }

    @Test
    void privateMemoryIsRefusedWithTheOptionThatSharesIt() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder)) {
            assertThatThrownBy(qemu::regions)
                    .isInstanceOf(UnsupportedException.class)
                    .hasMessageContaining(
                            "-object memory-backend-memfd,id=mem0,size=67108864,share=on -machine"
                                    + " memory-backend=mem0");
        }
    }

    @Test
    void thousandAttachmentsLeaveNothingInQemu() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.SHARED)) {
            attachOften(qemu, ROUNDS);
        }
    }

    @Test
    void qemuThatIsOurOwnChildIsAttachedWithoutTheJvmTakingItForDead() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, false, TinyQemu.SHARED)) {
            attachOften(qemu, ROUNDS / 10);
            assertThat(qemu.process.isAlive()).isTrue();
            assertThat(qemu.process.onExit()).isNotDone();
        }
    }

    private static void attachOften(TinyQemu qemu, int rounds) throws Exception {
        List<RamRegion> regions = qemu.regions();
        long start = System.nanoTime();
        for (int round = 0; round < rounds; round++) {
            UffdAttachment.attach(qemu.pid(), regions).close();
        }
        System.out.printf("attach: %d us%n", (System.nanoTime() - start) / 1000 / rounds);
        assertThat(qemu.userfaultfdCount()).isZero();
        try (QmpClient qmp = qemu.connect()) {
            assertThat(qmp.execute("query-status").path("running").asBoolean()).isTrue();
        }
    }

    @Test
    void descriptorLeftByAKilledPredecessorIsClosed() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.SHARED)) {
            List<RamRegion> regions = qemu.regions();
            Tracee.run(qemu.pid(), Tracee::openUserfaultfd);
            assertThat(qemu.userfaultfdCount()).isOne();
            UffdAttachment.attach(qemu.pid(), regions).close();
            assertThat(qemu.userfaultfdCount()).isZero();
        }
    }

    @Test
    void memoryMappedByAnotherProcessIsRefusedWithItsPid() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.SHARED);
                GuestFile file = GuestFile.openForWriting(qemu.regions().getFirst().mapFile());
                NativeBuffer mapping = file.map(4096)) {
            assertThat(mapping.sizeBytes()).isEqualTo(4096);
            assertThatThrownBy(qemu::regions)
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("process " + ProcessHandle.current().pid() + " (java)");
        }
    }

    @Test
    void qemuKilledDuringACaptureFailsItAsATransportError() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.SHARED)) {
            CollectingSink sink = new CollectingSink(64 << 20);
            try (UffdAttachment attachment = UffdAttachment.attach(qemu.pid(), qemu.regions());
                    MemoryTracker tracker = MemoryTracker.start(attachment, 16 << 20);
                    MemoryCapture capture = tracker.captureAndRelease(sink)) {
                capture.arm();
                qemu.kill();
                capture.start();
                assertThatThrownBy(capture::awaitDrained)
                        .isInstanceOf(TransportException.class)
                        .hasMessageContaining("QEMU ended");
            }
        }
    }

    @Test
    void attachingToADeadProcessSaysSo() throws Exception {
        List<RamRegion> regions;
        long pid;
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.SHARED)) {
            regions = qemu.regions();
            pid = qemu.pid();
        }
        assertThatThrownBy(() -> UffdAttachment.attach(pid, List.of()))
                .isInstanceOf(TransportException.class)
                .hasMessageContaining("ended");
        assertThatThrownBy(() -> UffdAttachment.attach(pid, regions))
                .isInstanceOf(VmckptException.class);
    }

    @Test
    void runningGuestIsCapturedAsItWasInItsPause() throws Exception {
        try (TinyQemu qemu = new TinyQemu(folder, TinyQemu.SHARED);
                QmpClient qmp = qemu.connect()) {
            List<RamRegion> regions = GuestMemory.inspect(qemu.pid(), qmp);
            CollectingSink sink = new CollectingSink(regions.getFirst().sizeBytes());
            try (UffdAttachment attachment = UffdAttachment.attach(qemu.pid(), regions);
                    MemoryTracker tracker = MemoryTracker.start(attachment, 16 << 20);
                    MemoryCapture capture = tracker.captureAndRelease(sink)) {
                qmp.execute("stop");
                capture.arm();
                Path dump = folder.resolve("dump");
                qmp.execute(
                        "pmemsave",
                        Json.MAPPER
                                .createObjectNode()
                                .put("val", 0)
                                .put("size", 0xA0000)
                                .put("filename", dump.toString()));
                qmp.execute("cont");
                capture.start();
                System.out.println(capture.awaitDrained());
                byte[] expected = Files.readAllBytes(dump);
                assertThat(Arrays.copyOf(sink.content, expected.length)).isEqualTo(expected);
            }
        }
    }
}
