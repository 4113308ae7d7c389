package org.vmckpt.cow.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.FileIdentity;
import org.vmckpt.core.store.Store;

/**
 * Forks, copies and folds disks of a real QEMU, round after round; QEMU's tools judge the result.
 * Needs packages qemu-system-x86 and qemu-utils.
 */
class DiskIT {
    private static final int FIRST_DISK_BYTES = 24 << 20;
    private static final int SECOND_DISK_BYTES = 10 << 20;

    @TempDir Path folder;

    private final Random random = new Random(42);
    private Store store;
    private DiskCopier copier;
    private Path template;
    private Path first;
    private Path second;
    private int restored;

    @BeforeEach
    void makeImages() throws Exception {
        template = folder.resolve("template.qcow2");
        first = folder.resolve("first.qcow2");
        second = folder.resolve("second.raw");
        Tools.createImage(template, "qcow2", "24M");
        Tools.io(template, "qcow2", "write -P 1 0 3M", "write -P 2 20M 100k");
        Tools.createOver(first, template, "qcow2", "cluster_size=4096");
        Tools.createImage(second, "raw", "10M");
        store = Store.openOrCreate(folder.resolve("store"));
        copier = new DiskCopier(store);
    }

    @AfterEach
    void closeStore() {
        store.close();
    }

    private Qemu start() throws Exception {
        return Qemu.start(
                folder,
                "-drive",
                "file=first.qcow2,if=virtio,id=d0,cache=none,aio=native,discard=unmap",
                "-blockdev",
                "driver=raw,node-name=second,file.driver=file,file.filename=second.raw",
                "-device",
                "virtio-blk-pci,drive=second,id=vd1,iothread=io1",
                "-object",
                "iothread,id=io1");
    }

    @Test
    void tenRoundsEachRestoreToTheFrozenDisksAndLeaveAShortChain() throws Exception {
        byte[] templateBefore = Files.readAllBytes(template);
        List<Stored> all = new ArrayList<>();
        try (Qemu qemu = start()) {
            for (int round = 0; round < 10; round++) {
                write(qemu, 20);
                all.addAll(checkpoint(qemu));
                write(qemu, 10);
                Committer.Report folded =
                        new Committer(new MonitorChains(qemu.qmp()), store)
                                .foldAll(qemu.disks(), ProgressListener.none());
                assertThat(folded.problems()).isEmpty();
                assertThat(folded.foldedFiles()).isEqualTo(round == 0 ? 0 : 2);
                assertThat(qemu.disks().get(0).layers()).hasSize(3);
                assertThat(qemu.disks().get(1).layers()).hasSize(2);
                assertThat(overlays()).hasSize(2);
            }
        }
        // What was stored does not change with what happened to the files since.
        for (Stored stored : all) {
            Tools.assertEqual(stored.copy(), "raw", materialize(stored), "raw");
        }
        assertThat(Files.readAllBytes(template)).isEqualTo(templateBefore);
        Tools.assertSound(first);
        overlays().forEach(Tools::assertSound);
    }

    @Test
    void baseThatIsInTheStoreIsNotReadAgain() throws Exception {
        try (Qemu qemu = start()) {
            write(qemu, 20);
            List<GuestDisk> disks = qemu.disks();
            fork(qemu, disks);
            CopiedDisk once = copier.copy(disks.get(1), ProgressListener.none());
            CopiedDisk twice = copier.copy(disks.get(1), ProgressListener.none());
            assertThat(once.readBytes()).isPositive();
            assertThat(twice).isEqualTo(new CopiedDisk(once.layers(), 0, 0));

            disks = qemu.disks();
            qemu.io(disks.get(1), "write -P 77 512 1k");
            fork(qemu, disks);
            CopiedDisk next = copier.copy(disks.get(1), ProgressListener.none());
            assertThat(next.readBytes()).isEqualTo(LayerCopy.UNIT_BYTES);
            assertThat(next.layers()).startsWith(once.layers().getFirst()).hasSize(2);

            // After the fold the base counts as what the overlay was: nothing is read again.
            new Committer(new MonitorChains(qemu.qmp()), store)
                    .foldAll(qemu.disks(), ProgressListener.none());
            disks = qemu.disks();
            fork(qemu, disks);
            CopiedDisk idle = copier.copy(disks.get(1), ProgressListener.none());
            assertThat(idle).isEqualTo(new CopiedDisk(next.layers(), 0, 0));
        }
    }

    @Test
    void fileWithOverlaysFoldedIntoItIsKnownEvenOverATemplate() throws Exception {
        try (Qemu qemu = start()) {
            for (int round = 0; round < 2; round++) {
                qemu.io(qemu.disks().get(0), "write -P 77 0 64k");
                checkpoint(qemu);
            }
            Committer.Report report =
                    new Committer(new MonitorChains(qemu.qmp()), store)
                            .foldAll(qemu.disks(), ProgressListener.none());
            assertThat(report.problems()).isEmpty();
            List<GuestDisk> disks = qemu.disks();
            fork(qemu, disks);
            assertThat(copier.copy(disks.get(0), ProgressListener.none()).readBytes()).isZero();
        }
    }

    @Test
    void recordThatGivesAnOverlayMoreThanItsOwnLayerIsNotBelieved() throws Exception {
        try (Qemu qemu = start()) {
            fork(qemu, qemu.disks());
            qemu.io(qemu.disks().get(1), "write -P 77 0 64k");
            List<GuestDisk> disks = qemu.disks();
            fork(qemu, disks);
            GuestDisk disk = disks.get(1);
            CopiedDisk copied = copier.copy(disk, ProgressListener.none());
            assertThat(copied.layers()).hasSize(2);
            List<SegmentName> more = new ArrayList<>(copied.layers());
            more.add(copied.layers().getFirst());
            store.recordLayers(FileIdentity.of(disk.active().hostPath()), more);
            assertThat(copier.copy(disk, ProgressListener.none()).layers())
                    .isEqualTo(copied.layers());
        }
    }

    @Test
    void overlayThatIsNotInTheStoreIsNotFolded() throws Exception {
        try (Qemu qemu = start()) {
            fork(qemu, qemu.disks());
            write(qemu, 5);
            fork(qemu, qemu.disks());
            Committer.Report report =
                    new Committer(new MonitorChains(qemu.qmp()), store)
                            .foldAll(qemu.disks(), ProgressListener.none());
            assertThat(report.foldedFiles()).isZero();
            assertThat(report.problems()).hasSize(2).allMatch(p -> p.contains("no record"));
            assertThat(overlays()).hasSize(4);
            // The next checkpoint copies both layers, and then both are folded at once.
            checkpoint(qemu);
            report =
                    new Committer(new MonitorChains(qemu.qmp()), store)
                            .foldAll(qemu.disks(), ProgressListener.none());
            assertThat(report).isEqualTo(new Committer.Report(4, List.of()));
            assertThat(overlays()).hasSize(2);
        }
        Tools.assertSound(first);
    }

    @Test
    void foldThatFailsDeletesNothing() throws Exception {
        try (Qemu qemu = start()) {
            fork(qemu, qemu.disks());
            write(qemu, 5);
            checkpoint(qemu);
            List<GuestDisk> before = qemu.disks();
            Path otherFolder = Files.createDirectory(folder.resolve("other"));
            // Somebody uses the base as a template: QEMU's own lock forbids to write to it.
            try (Qemu user =
                    Qemu.start(
                            otherFolder,
                            "-drive",
                            "file=" + second + ",format=raw,if=virtio,readonly=on")) {
                Committer.Report report =
                        new Committer(new MonitorChains(qemu.qmp()), store)
                                .foldAll(qemu.disks(), ProgressListener.none());
                assertThat(user.pid()).isPositive();
                assertThat(report.problems()).singleElement().asString().contains("lock");
                assertThat(qemu.disks().get(1)).isEqualTo(before.get(1));
                assertThat(before.get(1).layers()).allMatch(l -> Files.exists(l.hostPath()));
            }
            Committer.Report report =
                    new Committer(new MonitorChains(qemu.qmp()), store)
                            .foldAll(qemu.disks(), ProgressListener.none());
            assertThat(report).isEqualTo(new Committer.Report(1, List.of()));
        }
    }

    @Test
    void predecessorKilledWhileItDeletedAFoldedOverlayIsCleaned() throws Exception {
        try (Qemu qemu = start()) {
            fork(qemu, qemu.disks());
            write(qemu, 5);
            checkpoint(qemu);
            List<DiskLayer> layers = qemu.disks().get(1).layers();
            ObjectNode commit = Json.MAPPER.createObjectNode();
            commit.put("job-id", "vmckpt-fold-x").put("auto-dismiss", false);
            commit.put("device", layers.get(2).nodeName());
            commit.put("top-node", layers.get(1).nodeName());
            commit.put("base-node", layers.get(0).nodeName());
            qemu.qmp().execute("block-commit", commit);
            qemu.reconnect();
            List<GuestDisk> disks = qemu.disks();
            assertThat(disks.get(1).layers()).hasSize(2);
            Leftovers.Report report = Leftovers.clean(qemu.qmp(), qemu.pid(), disks);
            assertThat(report.removed()).containsExactly(layers.get(1).path());
            assertThat(report.kept()).isEmpty();
            checkpoint(qemu);
        }
    }

    @Test
    void materializedDiskIsReadOnlySparseAndNeverOverwrites() throws Exception {
        try (Qemu qemu = start()) {
            qemu.io(qemu.disks().get(1), "write -P 5 9M 4k");
            Stored stored = checkpoint(qemu).get(1);
            Path target = materialize(stored);
            assertThat(Files.getAttribute(target, "unix:mode")).isEqualTo(0100400);
            assertThat(Files.size(target)).isEqualTo(SECOND_DISK_BYTES);
            assertThat(Tools.run("du", "-k", target.toString())).matches("(?s)\\d{1,3}\\t.*");
            assertThatThrownBy(() ->
                            DiskMaterializer.materialize(
                                    store,
                                    stored.layers(),
                                    SECOND_DISK_BYTES,
                                    target,
                                    ProgressListener.none()))
                    .isInstanceOf(ConflictException.class)
                    .hasMessageContaining(target.toString());
            Tools.assertEqual(stored.copy(), "raw", target, "raw");
        }
    }

    /** A disk in the store, and a copy of its frozen chain that qemu-img made. */
    private record Stored(List<SegmentName> layers, long sizeBytes, Path copy) {}

    private List<Stored> checkpoint(Qemu qemu) throws Exception {
        List<GuestDisk> disks = qemu.disks();
        fork(qemu, disks);
        List<Stored> stored = new ArrayList<>();
        for (GuestDisk disk : disks) {
            CopiedDisk copied = copier.copy(disk, ProgressListener.none());
            Path copy = folder.resolve("copy" + restored++ + ".raw");
            DiskLayer frozen = disk.active();
            Tools.run(
                    "qemu-img",
                    "convert",
                    "-U",
                    "-f",
                    frozen.format(),
                    "-O",
                    "raw",
                    frozen.hostPath().toString(),
                    copy.toString());
            stored.add(new Stored(copied.layers(), disk.virtualSizeBytes(), copy));
            Tools.assertEqual(copy, "raw", materialize(stored.getLast()), "raw");
        }
        return stored;
    }

    private static void fork(Qemu qemu, List<GuestDisk> disks) throws VmckptException {
        OverlayFork.prepare(qemu.qmp(), disks, CheckpointId.create(Instant.now())).fork();
    }

    private Path materialize(Stored stored) throws VmckptException {
        Path target = folder.resolve("restored" + restored++ + ".raw");
        DiskMaterializer.materialize(
                store, stored.layers(), stored.sizeBytes(), target, ProgressListener.none());
        return target;
    }

    private void write(Qemu qemu, int count) throws VmckptException, IOException {
        List<GuestDisk> disks = qemu.disks();
        for (int i = 0; i < count; i++) {
            boolean toFirst = random.nextBoolean();
            int size = toFirst ? FIRST_DISK_BYTES : SECOND_DISK_BYTES;
            int length = (1 + random.nextInt(300)) * 512;
            int at = random.nextInt((size - length) / 512) * 512;
            String how =
                    switch (random.nextInt(5)) {
                        case 0 -> "write -z ";
                        case 1 -> "discard ";
                        default -> "write -P " + (1 + random.nextInt(255)) + " ";
                    };
            qemu.io(disks.get(toFirst ? 0 : 1), how + at + " " + length);
        }
    }

    private List<Path> overlays() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(OverlayName::isFile).sorted().toList();
        }
    }
}
