package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.ProbedCheckpoint;
import org.vmckpt.cow.memory.RamRegion;

/**
 * Rule R4: a read that is issued after the checkpoint lands in ongoing memory only, whichever way
 * QEMU fills guest memory. One guest reads flat out from four disks, one for each way.
 */
final class R4ReadInTheWindowIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int BLOCK_BYTES = 4096;
    private static final int DISK_BLOCKS = 4096;
    private static final long READS = 50;
    private static final long TAG = 0x5234_d15c_0000_0000L;

    /** How data of a disk comes into guest memory. */
    private enum Way {
        /** A thread of QEMU copies it out of the host's page cache. */
        BUFFERED(0, "threads", "off"),
        /** The kernel pins the pages, in the call that submits the request. */
        NATIVE(1, "native", "on"),
        /** The kernel pins the pages, there or in a worker of its own. */
        IO_URING(2, "io_uring", "on"),
        /** QEMU receives it from a socket, here of vmckpt's own server. */
        NBD(3, "", "");

        private final int number;
        private final String aio;
        private final String direct;

        Way(int number, String aio, String direct) {
            this.number = number;
            this.aio = aio;
            this.direct = direct;
        }

        String device() {
            return this == NBD ? "vol-disk" : "disk-" + number;
        }

        List<String> file(Path content) {
            String file = "node" + number;
            return List.of(
                    "-blockdev",
                    "driver=file,filename=%s,node-name=%s,aio=%s,cache.direct=%s"
                            .formatted(content, file, aio, direct),
                    "-blockdev",
                    "driver=raw,file=%s,node-name=%s-raw,cache.direct=%s"
                            .formatted(file, file, direct),
                    "-device",
                    "virtio-blk-pci,drive=%s-raw,id=%s".formatted(file, device()));
        }
    }

    @TempDir private Path folder;

    @Test
    void whatIsReadFromDisksInTheWindowIsNotInTheImage() throws Exception {
        Path socket = folder.resolve("s");
        List<String> disks = new ArrayList<>();
        for (Way way : Way.values()) {
            Path content = content(way);
            disks.addAll(way == Way.NBD ? VolumeProcess.disk("v", socket) : way.file(content));
        }
        VolumeProcess.run(
                "create",
                folder.resolve("v").toString(),
                "--base",
                folder.resolve("NBD").toString());
        try (var _ = VolumeProcess.start(folder.resolve("v"), socket);
                TestGuest guest =
                        TestGuest.builder()
                                .memory(128 * MIB)
                                .vcpus(2)
                                .extraArguments(disks)
                                .secondMonitor()
                                .workload(Workload.idle(MIB).reading(16 * MIB))
                                .start();
                QmpClient monitor = QmpClient.connect(guest.secondQmpSocket(), SOON);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            assertThat(guest.awaitBoot().disks()).hasSize(Way.values().length);
            RamRegion memory = StoredMemory.region(guest, monitor);
            Window window = new Window(monitor, memory, folder.resolve("paused"));
            window.awaitReads(); // its region has been written once
            CheckpointRequest request = PatientRequest.of(guest.qmpSocket(), store);
            Manifest manifest =
                    ProbedCheckpoint.take(request, ProgressListener.none(), window).manifest();
            System.out.println(
                    "pages read into while all was wanted: "
                            + Arrays.toString(window.landed)
                            + ", faults: "
                            + manifest.statistics().get("cowFaults"));
            for (Way way : Way.values()) {
                assertThat(window.landed[way.number]).as("%s", way).isPositive();
            }
            StoredMemory.requireEqual(store, manifest, window.paused());
            assertThat(guest.console().faults()).isEmpty();
        }
    }

    /** Each block says of which disk it is. */
    private Path content(Way way) throws IOException {
        byte[] noise = new byte[DISK_BLOCKS * BLOCK_BYTES];
        new Random(way.number).nextBytes(noise);
        ByteBuffer blocks = ByteBuffer.wrap(noise);
        for (int i = 0; i < DISK_BLOCKS; i++) {
            blocks.putLong(i * BLOCK_BYTES, TAG + way.number);
        }
        return Files.write(folder.resolve(way.name()), noise);
    }

    /** Keeps the memory of the pause, and holds the copier back until reads have come in. */
    private static final class Window implements Consumer<String> {
        private final QmpClient monitor;
        private final RamRegion memory;
        private final Path copy;
        final long[] landed = new long[Way.values().length];

        Window(QmpClient monitor, RamRegion memory, Path copy) {
            this.monitor = monitor;
            this.memory = memory;
            this.copy = copy;
        }

        @Override
        public void accept(String moment) {
            try {
                if (moment.equals("ARMED")) {
                    Files.copy(memory.mapFile(), copy, StandardCopyOption.REPLACE_EXISTING);
                } else if (moment.equals("RESUMED")) {
                    awaitReads();
                    countLanded();
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            } catch (VmckptException | InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }

        /** The guest's memory as it was in the pause. */
        RamRegion paused() {
            return new RamRegion(
                    memory.id(),
                    memory.hostAddress(),
                    memory.sizeBytes(),
                    memory.pageSizeBytes(),
                    memory.protectionBytes(),
                    copy,
                    memory.fileOffset());
        }

        /** Waits until each disk has completed some reads from now on. */
        void awaitReads() throws VmckptException, InterruptedException {
            long[] before = reads();
            long deadline = System.nanoTime() + SOON.toNanos();
            while (fewest(before, reads()) < READS) {
                assertThat(System.nanoTime()).as(Arrays.toString(reads())).isLessThan(deadline);
                Thread.sleep(10);
            }
        }

        private static long fewest(long[] before, long[] now) {
            return IntStream.range(0, now.length)
                    .mapToLong(way -> now[way] - before[way])
                    .min()
                    .orElseThrow();
        }

        /** What QEMU counts. */
        private long[] reads() throws VmckptException {
            long[] reads = new long[Way.values().length];
            for (JsonNode disk : monitor.execute("query-blockstats")) {
                for (Way way : Way.values()) {
                    if (disk.path("qdev").asText().contains("/" + way.device() + "/")) {
                        reads[way.number] = disk.path("stats").path("rd_operations").asLong();
                    }
                }
            }
            return reads;
        }

        /** Pages that hold another block of a disk than in the pause. */
        private void countLanded() throws IOException {
            ByteBuffer then = ByteBuffer.allocate(BLOCK_BYTES);
            ByteBuffer now = ByteBuffer.allocate(BLOCK_BYTES);
            try (FileChannel paused = FileChannel.open(copy, StandardOpenOption.READ);
                    FileChannel live =
                            FileChannel.open(memory.mapFile(), StandardOpenOption.READ)) {
                for (long at = 0; at < memory.sizeBytes(); at += BLOCK_BYTES) {
                    paused.read(then.clear(), at);
                    live.read(now.clear(), memory.fileOffset() + at);
                    long way = now.getLong(0) - TAG;
                    if (way >= 0 && way < Way.values().length && !now.flip().equals(then.flip())) {
                        landed[(int) way]++;
                    }
                }
            }
        }
    }
}
