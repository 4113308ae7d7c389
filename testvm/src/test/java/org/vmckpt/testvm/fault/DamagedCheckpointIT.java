package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.store.VerifyReport;
import org.vmckpt.core.stream.DeviceStream;
import org.vmckpt.cow.restore.RestoreRequest;
import org.vmckpt.cow.restore.RestoreService;
import org.vmckpt.testvm.Folders;

/** One real checkpoint, and everything that can be wrong with its files or with where it goes. */
@Timeout(value = 300, unit = TimeUnit.SECONDS)
final class DamagedCheckpointIT {
    private static final int STREAM_CUTS = 400;

    @TempDir static Path folder;
    private static Path origin = Path.of("");
    private static Store store;
    private static Manifest manifest;

    @BeforeAll
    static void takeCheckpoint() throws Exception {
        store = Store.openOrCreate(folder.resolve("store"));
        try (WatchedGuest guest = WatchedGuest.boot()) {
            guest.requireGoesOn();
            origin = guest.guest().folder();
            manifest = guest.checkpoint(store).manifest();
        }
    }

    @AfterAll
    static void closeStore() {
        store.close();
    }

    private static Path home() {
        return folder.resolve("home");
    }

    private static void restore() throws Exception {
        Files.createDirectories(home());
        RestoreRequest request =
                RestoreRequest.of(
                                store,
                                manifest,
                                home().resolve("qmp.sock"),
                                home().resolve("disks"))
                        .withMaps(Map.of(origin, home()));
        new RestoreService().restore(request, ProgressListener.none());
    }

    private static void requireNothingLeft() throws IOException {
        assertThat(home()).isEmptyDirectory();
        String place = home().toString();
        assertThat(
                        ProcessHandle.allProcesses()
                                .map(process -> Programs.commandLine(process))
                                .filter(line -> line.contains("qemu") && line.contains(place)))
                .isEmpty();
    }

    private static Path file(SegmentName segment) throws IOException {
        try (var files = Files.list(store.directory().resolve("segments"))) {
            return files.filter(it -> it.getFileName().toString().startsWith(segment.toString()))
                    .findFirst()
                    .orElseThrow();
        }
    }

    /** Runs with the file changed, and puts it back. */
    private static void withDamage(Path file, Damage damage, ThrowingCallable test)
            throws Throwable {
        Path whole = Files.copy(file, folder.resolve("whole"), StandardCopyOption.REPLACE_EXISTING);
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            damage.on(channel);
        }
        try {
            test.call();
        } finally {
            Files.copy(whole, file, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private interface Damage {
        void on(FileChannel file) throws IOException;
    }

    private static Damage flippedBit(long offset) {
        return file -> {
            ByteBuffer one = ByteBuffer.allocate(1);
            file.read(one, offset);
            one.put(0, (byte) (one.get(0) ^ 0x10)).rewind();
            file.write(one, offset);
        };
    }

    private static Damage cutAt(long size) {
        return file -> file.truncate(size);
    }

    @Test
    void everySegmentWithAFlippedBitInABlockIsRefusedByName() throws Throwable {
        for (SegmentName segment : manifest.segments()) {
            Path file = file(segment);
            // Blocks start behind the header of 32 bytes.
            withDamage(file, flippedBit(32 + 100), () -> requireRefused(segment, "block 0"));
        }
        requireIntact();
    }

    @Test
    void everySegmentThatWasCutIsRefusedByName() throws Throwable {
        for (SegmentName segment : manifest.segments()) {
            Path file = file(segment);
            withDamage(file, cutAt(Files.size(file) / 2), () -> requireRefused(segment, "footer"));
            withDamage(file, cutAt(0), () -> requireRefused(segment, ""));
        }
        requireIntact();
    }

    /** Every part of the format in turn; the whole restore is tried above. */
    @Test
    void flippedBitAnywhereIsFoundByVerify() throws Throwable {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        for (SegmentName segment : manifest.segments()) {
            Path file = file(segment);
            long size = Files.size(file);
            List<Long> places =
                    List.of(
                            0L,
                            9L,
                            31L,
                            size - 1,
                            size - 20,
                            size - 60,
                            size - 70,
                            random.nextLong(size),
                            random.nextLong(size),
                            random.nextLong(size));
            for (long place : places) {
                withDamage(
                        file,
                        flippedBit(place),
                        () ->
                                assertThat(verify().problems())
                                        .as("%s at %d of %d, seed %d", segment, place, size, seed)
                                        .isNotEmpty()
                                        .allSatisfy(
                                                it -> assertThat(it).contains(segment.toString())));
            }
        }
        requireIntact();
    }

    @Test
    void missingSegmentIsNamed() throws Throwable {
        for (SegmentName segment : manifest.segments()) {
            Path file = file(segment);
            Path aside = folder.resolve("aside");
            Files.move(file, aside);
            try {
                assertThat(verify().problems())
                        .anySatisfy(it -> assertThat(it).contains(segment.toString()));
                assertThatThrownBy(DamagedCheckpointIT::restore)
                        .hasMessageContaining(segment.toString());
                requireNothingLeft();
            } finally {
                Files.move(aside, file);
            }
        }
    }

    private static VerifyReport verify() throws Exception {
        return store.verify(manifest, ProgressListener.none());
    }

    private static void requireRefused(SegmentName segment, String part) throws Exception {
        assertThat(verify().problems())
                .anySatisfy(it -> assertThat(it).contains(segment.toString(), part));
        assertThatThrownBy(DamagedCheckpointIT::restore)
                .isInstanceOf(CorruptException.class)
                .hasMessageContainingAll(segment.toString(), part);
        requireNothingLeft();
    }

    private static void requireIntact() throws Exception {
        assertThat(verify().intact()).isTrue();
    }

    @Test
    void manifestOfAFutureVersionIsRefusedAndTheOthersStayVisible() throws Exception {
        Path file = store.directory().resolve("checkpoints").resolve(manifest.id() + ".json");
        String text = Files.readString(file, StandardCharsets.UTF_8);
        Files.writeString(file, text.replaceFirst("\"version\":1", "\"version\":2"));
        try {
            assertThatThrownBy(() -> store.find(manifest.id().toString()))
                    .isInstanceOf(UnsupportedException.class)
                    .hasMessageContainingAll(manifest.id().toString(), "2");
            assertThat(store.list()).isEmpty();
            assertThat(store.unreadable()).hasSize(1);
        } finally {
            Files.writeString(file, text);
        }
        assertThat(store.find("latest")).isEqualTo(manifest);
    }

    @Test
    void deviceStreamThatWasCutAnywhereIsCorrupt() throws Exception {
        byte[] stream = store.getBytes(manifest.devices().segment());
        DeviceStream.parse(stream);
        for (int cut = 0; cut <= STREAM_CUTS; cut++) {
            // The first and the last bytes one by one, the rest in steps.
            int length =
                    cut < STREAM_CUTS / 4
                            ? cut
                            : cut < STREAM_CUTS / 2
                                    ? stream.length - 1 - (cut - STREAM_CUTS / 4)
                                    : (int) ((long) stream.length * cut / (STREAM_CUTS + 1));
            assertThatThrownBy(() -> DeviceStream.parse(Arrays.copyOf(stream, length)))
                    .as("cut at %d of %d", length, stream.length)
                    .isInstanceOf(CorruptException.class);
        }
    }

    @Test
    void restoreOntoAPathOrFolderInUseIsAConflictAndLeavesItAlone() throws Exception {
        Path socket = home().resolve("qmp.sock");
        Path disks = home().resolve("disks");
        Path disk = disks.resolve("mine");
        Files.createDirectories(home());
        Files.writeString(socket, "");
        assertThatThrownBy(DamagedCheckpointIT::restore)
                .isInstanceOf(ConflictException.class)
                .hasMessageContainingAll(socket.toString(), "--qmp");
        Files.delete(socket);

        Files.createDirectories(disks);
        Files.writeString(disk, "precious");
        assertThatThrownBy(DamagedCheckpointIT::restore)
                .isInstanceOf(ConflictException.class)
                .hasMessageContainingAll(disks.toString(), "--disks");
        assertThat(disk).hasContent("precious");
        Folders.delete(home());
    }
}
