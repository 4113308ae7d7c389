package org.vmckpt.cow.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/** Finds and forks disks of a real QEMU; needs packages qemu-system-x86 and qemu-utils. */
class ForkIT {
    @TempDir Path folder;

    private final CheckpointId checkpoint = CheckpointId.create(Instant.now());
    private Path template;
    private Path first;
    private Path second;

    @BeforeEach
    void makeImages() {
        template = folder.resolve("template.qcow2");
        first = folder.resolve("first.qcow2");
        second = folder.resolve("second.raw");
        Tools.createImage(template, "qcow2", "16M");
        Tools.io(template, "qcow2", "write -P 1 0 1M");
        Tools.createOver(first, template, "qcow2");
        Tools.createImage(second, "raw", "8M");
    }

    /** One disk by -drive with names relative to QEMU's folder, one by -blockdev. */
    private Qemu startTwoDisks() throws Exception {
        return Qemu.start(
                folder,
                "-drive",
                "file=first.qcow2,if=virtio,id=d0,cache=none,aio=native",
                "-blockdev",
                "driver=file,filename=" + second + ",node-name=second-file",
                "-blockdev",
                "driver=raw,file=second-file,node-name=second",
                "-device",
                "virtio-blk-pci,drive=second,id=vd1",
                "-device",
                "virtio-scsi-pci",
                "-device",
                "scsi-cd,id=empty-drive",
                "-drive",
                "file=" + template + ",if=none,readonly=on,id=ro",
                "-device",
                "virtio-blk-pci,drive=ro");
    }

    @Test
    void everyWritableDiskIsFoundWithItsChain() throws Exception {
        try (Qemu qemu = startTwoDisks()) {
            List<GuestDisk> disks = qemu.disks();
            assertThat(disks).extracting(GuestDisk::name).containsExactly("d0", "vd1");
            assertThat(disks.get(0).layers())
                    .extracting(DiskLayer::path)
                    .containsExactly(template, first);
            assertThat(disks.get(0).layers()).extracting(DiskLayer::format).containsOnly("qcow2");
            assertThat(disks.get(0).active().nodeName()).startsWith("#block");
            assertThat(disks.get(0).virtualSizeBytes()).isEqualTo(16 << 20);
            assertThat(disks.get(0).cache()).isEqualTo(new CacheMode(true, false));
            assertThat(disks.get(0).asyncIo()).contains("native");
            assertThat(disks.get(1).asyncIo()).isEmpty();
            DiskLayer raw = disks.get(1).active();
            assertThat(raw)
                    .isEqualTo(
                            new DiskLayer("second", "second-file", "raw", second, second, 8 << 20));
            assertThat(disks.get(1).origin()).isEqualTo(raw);
        }
    }

    @Test
    void forkFreezesAllDisksAndKeepsOwnerAndMode() throws Exception {
        Files.setPosixFilePermissions(second, PosixFilePermissions.fromString("rw-rw----"));
        Files.setAttribute(second, "unix:gid", 6);
        try (Qemu qemu = startTwoDisks()) {
            List<GuestDisk> before = qemu.disks();
            qemu.io(before.get(0), "write -P 7 512 64k");
            OverlayFork fork = OverlayFork.prepare(qemu.qmp(), before, checkpoint);
            fork.flush(Duration.ofMinutes(1));
            fork.fork();
            List<GuestDisk> after = qemu.disks();
            byte[] frozen = Files.readAllBytes(second);
            qemu.io(after.get(0), "write -P 8 0 64k");
            qemu.io(after.get(1), "write -P 9 0 64k");

            assertThat(after.get(0).layers().subList(0, 2)).isEqualTo(before.get(0).layers());
            assertThat(after.get(0).active().isOurOverlay()).isTrue();
            assertThat(after.get(0).cache()).isEqualTo(before.get(0).cache());
            assertThat(after.get(0).asyncIo()).contains("native");
            assertThat(after.get(1).origin()).isEqualTo(before.get(1).active());
            assertThat(Files.readAllBytes(second)).isEqualTo(frozen);
            Path overlay = after.get(1).active().path();
            assertThat(overlay.getFileName().toString())
                    .isEqualTo("second.raw.vmckpt-" + checkpoint.shortForm() + ".qcow2");
            assertThat(Files.readAttributes(overlay, "unix:gid,mode"))
                    .isEqualTo(Files.readAttributes(second, "unix:gid,mode"));
        }
        overlays().forEach(Tools::assertSound);
        Tools.assertSound(first);
    }

    @Test
    void rawFileWithoutAFormatDriverIsForkedAndReverted() throws Exception {
        try (Qemu qemu =
                Qemu.start(
                        folder,
                        "-blockdev",
                        "driver=file,filename=second.raw,node-name=bare",
                        "-device",
                        "virtio-blk-pci,drive=bare,id=vd1")) {
            List<GuestDisk> before = qemu.disks();
            assertThat(before.getFirst().active().format()).isEqualTo("raw");
            OverlayFork fork = OverlayFork.prepare(qemu.qmp(), before, checkpoint);
            fork.fork();
            qemu.io(qemu.disks().getFirst(), "write -P 9 64k 64k");
            fork.revert(ProgressListener.none());
            assertThat(qemu.disks()).isEqualTo(before);
        }
        Tools.io(second, "raw", "read -P 9 64k 64k");
    }

    @Test
    void abandonedForkLeavesNoTrace() throws Exception {
        try (Qemu qemu = startTwoDisks()) {
            List<GuestDisk> before = qemu.disks();
            OverlayFork fork = OverlayFork.prepare(qemu.qmp(), before, checkpoint);
            assertThat(overlays()).hasSize(2);
            fork.abandon();
            assertThat(overlays()).isEmpty();
            assertThat(qemu.disks()).isEqualTo(before);
            assertThat(ourNodes(qemu.qmp())).isEmpty();
            // The names are free again.
            OverlayFork.prepare(qemu.qmp(), before, checkpoint).abandon();
        }
    }

    @Test
    void preparationThatFailsHalfwayLeavesNoTrace() throws Exception {
        try (Qemu qemu = startTwoDisks()) {
            List<GuestDisk> before = qemu.disks();
            Path inTheWay = OverlayName.fileFor(second, checkpoint);
            Files.createFile(inTheWay);
            assertThatThrownBy(() -> OverlayFork.prepare(qemu.qmp(), before, checkpoint))
                    .isInstanceOf(StorageException.class)
                    .hasMessageContaining(inTheWay.toString());
            assertThat(overlays()).containsExactly(inTheWay);
            assertThat(ourNodes(qemu.qmp())).isEmpty();
        }
    }

    @Test
    void forkIsAllOrNothing() throws Exception {
        try (Qemu qemu = startTwoDisks()) {
            List<GuestDisk> before = qemu.disks();
            OverlayFork fork = OverlayFork.prepare(qemu.qmp(), before, checkpoint);
            // The second overlay disappears, so the second action of the transaction fails.
            BlockNodes.remove(qemu.qmp(), OverlayName.nodeFor(checkpoint, 1));
            assertThatThrownBy(fork::fork).isInstanceOf(ProtocolException.class);
            assertThat(qemu.disks()).isEqualTo(before);
            fork.abandon();
            assertThat(overlays()).isEmpty();
        }
    }

    @Test
    void revertPutsTheGuestsWritesIntoTheParentAgain() throws Exception {
        try (Qemu qemu = startTwoDisks()) {
            List<GuestDisk> before = qemu.disks();
            OverlayFork fork = OverlayFork.prepare(qemu.qmp(), before, checkpoint);
            fork.fork();
            qemu.io(qemu.disks().get(0), "write -P 8 0 64k");
            qemu.io(qemu.disks().get(1), "write -P 9 64k 64k");
            fork.revert(ProgressListener.none());

            assertThat(qemu.disks()).isEqualTo(before);
            assertThat(overlays()).isEmpty();
            assertThat(ourNodes(qemu.qmp())).isEmpty();
            qemu.io(before.get(0), "read -P 8 0 64k");
            qemu.io(before.get(0), "read -P 1 64k 64k");
            qemu.io(before.get(1), "read -P 9 64k 64k");
            qemu.io(before.get(0), "write -P 10 0 64k");
        }
        Tools.assertSound(first);
        Tools.io(second, "raw", "read -P 9 64k 64k");
    }

    @Test
    void preparedForkOfAKilledPredecessorIsCleaned() throws Exception {
        try (Qemu qemu = startTwoDisks()) {
            List<GuestDisk> before = qemu.disks();
            OverlayFork.prepare(qemu.qmp(), before, checkpoint);
            qemu.reconnect();
            List<GuestDisk> disks = qemu.disks();
            Leftovers.Report report = Leftovers.clean(qemu.qmp(), qemu.pid(), disks);
            assertThat(report.removed()).hasSize(2);
            assertThat(report.kept()).isEmpty();
            assertThat(overlays()).isEmpty();
            assertThat(ourNodes(qemu.qmp())).isEmpty();
            assertThat(qemu.disks()).isEqualTo(before);
        }
    }

    @Test
    void overlayThatAGuestStillNeedsIsNeverCleaned() throws Exception {
        Path stranger = folder.resolve("first.qcow2.vmckpt-00000000deadbeef.qcow2");
        Tools.createOver(stranger, template, "qcow2");
        Path unused;
        try (Qemu qemu = startTwoDisks()) {
            OverlayFork.prepare(qemu.qmp(), qemu.disks(), checkpoint).fork();
            qemu.io(qemu.disks().get(1), "write -P 9 64k 64k");
            Leftovers.Report report = Leftovers.clean(qemu.qmp(), qemu.pid(), qemu.disks());
            assertThat(report.removed()).containsExactly(stranger);
            assertThat(overlays()).hasSize(2);
            unused = qemu.disks().get(1).active().path();
        }
        // Started again without its overlays: the one that holds data is all that is left of it.
        try (Qemu qemu = startTwoDisks()) {
            Leftovers.Report report = Leftovers.clean(qemu.qmp(), qemu.pid(), qemu.disks());
            assertThat(overlays()).containsExactly(unused);
            assertThat(report.kept()).singleElement().asString().contains("holds data");
        }
    }

    @Test
    void overlayThatAnotherProcessUsesIsNotCleaned() throws Exception {
        Path other = folder.resolve("first.qcow2.vmckpt-00000000deadbeef.qcow2");
        Tools.createOver(other, first, "qcow2");
        Path otherFolder = Files.createDirectory(folder.resolve("other"));
        try (Qemu qemu = startTwoDisks();
                Qemu user =
                        Qemu.start(
                                otherFolder,
                                "-blockdev",
                                "driver=file,filename=" + other + ",node-name=f",
                                "-blockdev",
                                "driver=qcow2,file=f,backing=,node-name=q",
                                "-device",
                                "virtio-blk-pci,drive=q")) {
            Leftovers.Report report = Leftovers.clean(qemu.qmp(), qemu.pid(), qemu.disks());
            assertThat(user.pid()).isPositive();
            assertThat(report.removed()).isEmpty();
            assertThat(report.kept()).singleElement().asString().contains("locked");
        }
    }

    @Test
    void somebodysBlockJobRefusesTheCheckpoint() throws Exception {
        try (Qemu qemu = startTwoDisks()) {
            ObjectNode mirror = Json.MAPPER.createObjectNode();
            mirror.put("job-id", "backup-of-somebody").put("device", "d0").put("sync", "full");
            mirror.put("target", folder.resolve("mirror.qcow2").toString()).put("format", "qcow2");
            qemu.qmp().execute("drive-mirror", mirror);
            assertThatThrownBy(qemu::disks)
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("backup-of-somebody");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "driver=null-co,node-name=n,read-zeroes=on",
                "driver=throttle,throttle-group=t,node-name=n,file.driver=file,file.filename=second.raw",
                "driver=raw,offset=4096,node-name=n,file.driver=file,file.filename=second.raw",
                "driver=raw,node-name=n,file.driver=blkdebug,file.image.driver=file,file.image.filename=second.raw"
            })
    void otherWritableDisksAreRefusedByName(String blockdev) throws Exception {
        try (Qemu qemu =
                Qemu.start(
                        folder,
                        "-object",
                        "throttle-group,id=t",
                        "-blockdev",
                        blockdev,
                        "-device",
                        "virtio-blk-pci,drive=n,id=odd")) {
            assertThatThrownBy(qemu::disks)
                    .isInstanceOf(UnsupportedException.class)
                    .hasMessageContaining("odd");
        }
    }

    private List<Path> overlays() throws Exception {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(OverlayName::isFile).sorted().toList();
        }
    }

    private static List<String> ourNodes(QmpClient qmp) throws VmckptException {
        return BlockGraph.query(qmp).nodeNames().stream().filter(OverlayName::isNode).toList();
    }
}
