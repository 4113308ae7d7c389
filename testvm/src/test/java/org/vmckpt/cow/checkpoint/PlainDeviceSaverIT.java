package org.vmckpt.cow.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.Json;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.stream.DeviceStream;
import org.vmckpt.core.stream.DeviceStream.RamBlock;
import org.vmckpt.core.stream.RamPages;
import org.vmckpt.core.stream.RamSplitter;
import org.vmckpt.cow.memory.GuestMemory;
import org.vmckpt.cow.memory.RamRegion;
import org.vmckpt.testvm.GuestMemoryKind;
import org.vmckpt.testvm.OnTmpfs;
import org.vmckpt.testvm.PatientRequest;
import org.vmckpt.testvm.RestoredGuest;
import org.vmckpt.testvm.TestGuest;
import org.vmckpt.testvm.Workload;

/** The stream that we put together says what the one says that QEMU writes of the same guest. */
final class PlainDeviceSaverIT {
    private static final long MIB = 1 << 20;
    private static final long VIDEO_BYTES = 128 * MIB;
    private static final Pattern PRIVATE_MEMORY =
            Pattern.compile("([0-9a-f]+)-([0-9a-f]+) rw-p \\S+ 00:00 0 *");
    private static final Duration SOON = Duration.ofSeconds(60);

    /** The guest's clock goes on, and QEMU notes "running" in one and "paused" in the other. */
    private static final Set<String> DIFFERENT = Set.of("mc146818rtc", "globalstate");

    @TempDir(factory = OnTmpfs.class)
    Path folder = Path.of("");

    private TestGuest start(GuestMemoryKind memory, String... more) throws Exception {
        TestGuest guest =
                TestGuest.builder()
                        .memory(128 * MIB)
                        .memoryKind(memory)
                        .directory(Files.createDirectories(folder.resolve("guest")))
                        .extraArguments(List.of(more))
                        .workload(Workload.idle(8 * MIB))
                        .start();
        guest.awaitBoot();
        return guest;
    }

    private interface OfSession {
        void run(GuestSession session) throws Exception;
    }

    private static void with(TestGuest guest, OfSession test) throws Exception {
        try (GuestSession session = GuestSession.open(GuestAddress.of(guest.qmpSocket()))) {
            test.run(session);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"none", "std"})
    void sameGuestGivesTheSameStream(String vga) throws Exception {
        try (TestGuest guest = start(GuestMemoryKind.FILE, "-vga", vga)) {
            with(guest, this::compare);
        }
    }

    @Test
    void deviceThatIsPluggedInMeanwhileIsNoticed() throws Exception {
        try (TestGuest guest = start(GuestMemoryKind.MEMFD)) {
            with(guest, this::plugIn);
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    private void plugIn(GuestSession session) throws Exception {
        QmpClient qmp = session.qmp();
        List<RamRegion> memory = GuestMemory.inspect(session.pid(), qmp);
        try (DeviceSaver saver = PlainDeviceSaver.prepare(session, folder, memory)) {
            qmp.execute("stop");
            // It brings a ROM, which is a RAM block.
            qmp.execute("device_add", Json.MAPPER.createObjectNode().put("driver", "e1000"));
            saver.stage();
            saver.readMemory();
            saver.begin();
            saver.awaitEnd();
            assertThatThrownBy(saver::stream)
                    .isInstanceOf(RefusedException.class)
                    .hasMessageContaining("RAM blocks changed");
        }
        qmp.execute("cont");
    }

    @Test
    void guestRunsOnWhenQemuCannotWriteItsDevices() throws Exception {
        try (TestGuest guest = start(GuestMemoryKind.MEMFD);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            CheckpointRequest request = PatientRequest.of(guest.qmpSocket(), store);
            assertThatThrownBy(() ->
                            ProbedCheckpoint.take(
                                    request,
                                    ProgressListener.none(),
                                    PlainDeviceSaverIT::breakDeviceFile))
                    .isInstanceOf(ProtocolException.class)
                    .hasMessageContaining("xen-save-devices-state");
            assertThat(store.list()).isEmpty();
            assertThat(guest.console().verify(SOON).errors()).isZero();
            CheckpointService.checkpoint(request, ProgressListener.none());
            assertThat(store.list()).hasSize(1);
        }
    }

    @Test
    void tooMuchVideoMemoryInUseIsRefusedBeforeTheGuestIsStopped() throws Exception {
        try (TestGuest guest =
                        start(
                                GuestMemoryKind.MEMFD,
                                "-device",
                                "VGA,vgamem_mb=" + VIDEO_BYTES / MIB);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            CheckpointRequest request = PatientRequest.of(guest.qmpSocket(), store);
            fillVideoMemory(guest, 46 * MIB);
            CheckpointReport report =
                    CheckpointService.checkpoint(request, ProgressListener.none());
            assertThat(report.engine().chosen()).isEqualTo(EngineName.UFFD);
            fillVideoMemory(guest, 70 * MIB);
            requireRefusedUnstopped(request);
            for (EngineName engine : EngineName.values()) {
                requireRefusedUnstopped(request.withEngine(engine));
            }
            assertThat(store.list()).hasSize(1);
            assertThat(guest.console().verify(SOON).errors()).isZero();
        }
    }

    private static void requireRefusedUnstopped(CheckpointRequest request) {
        List<String> moments = new ArrayList<>();
        assertThatThrownBy(
                        () -> ProbedCheckpoint.take(request, ProgressListener.none(), moments::add))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContainingAll("uses 70 MiB", "video card");
        assertThat(moments).isEmpty();
    }

    /** As the guest's driver would; what it leaves are zeros. */
    private static void fillVideoMemory(TestGuest guest, long bytes) throws Exception {
        byte[] noise = new byte[(int) MIB];
        Arrays.fill(noise, (byte) 1);
        try (RandomAccessFile memory =
                new RandomAccessFile("/proc/" + guest.pid() + "/mem", "rw")) {
            memory.seek(videoMemory(guest));
            for (long done = 0; done < bytes; done += MIB) {
                memory.write(noise);
            }
        }
    }

    /** The guest's own memory is as large, but a file's. */
    private static long videoMemory(TestGuest guest) throws IOException {
        List<Long> found = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of("/proc/" + guest.pid() + "/maps"))) {
            Matcher range = PRIVATE_MEMORY.matcher(line);
            if (range.matches()) {
                long start = Long.parseLong(range.group(1), 16);
                if (Long.parseLong(range.group(2), 16) - start == VIDEO_BYTES) {
                    found.add(start);
                }
            }
        }
        assertThat(found).hasSize(1);
        return found.getFirst();
    }

    /** Put into the clock's memory, which every guest can write. */
    @Test
    void guestThatWritesASectionIntoADeviceIsSavedAndComesBack() throws Exception {
        try (TestGuest guest = start(GuestMemoryKind.MEMFD);
                Store store = Store.openOrCreate(folder.resolve("store"))) {
            CheckpointRequest request = PatientRequest.of(guest.qmpSocket(), store);
            List<DeviceStream.Section> honest = saved(store, request);
            int clock = 0;
            while (!honest.get(clock).name().equals("mc146818rtc")) {
                clock++;
            }
            try (GuestSession session = GuestSession.open(GuestAddress.of(guest.qmpSocket()))) {
                int behind = honest.get(clock + 1).sectionId();
                writeClock(session.qmp(), lookAlike(honest.get(clock).sectionId(), behind));
            }
            assertThat(saved(store, request)).anyMatch(section -> section.name().equals("x"));
            RestoredGuest.requireRestores(
                    store, store.list().getLast(), guest, folder.resolve("restored"));
        }
    }

    private static List<DeviceStream.Section> saved(Store store, CheckpointRequest request)
            throws Exception {
        Manifest manifest =
                CheckpointService.checkpoint(request, ProgressListener.none()).manifest();
        assertThat(manifest.engine()).isEqualTo(EngineName.UFFD.text());
        return DeviceStream.parse(store.getBytes(manifest.devices().segment())).sections();
    }

    /** A footer of one section and a header of the next. */
    private static byte[] lookAlike(int id, int next) {
        ByteBuffer bytes = ByteBuffer.allocate(20);
        bytes.put((byte) 0x7e).putInt(id).put((byte) 4).putInt(next);
        bytes.put((byte) 1).put((byte) 'x').putInt(0).putInt(1);
        return bytes.array();
    }

    private static void writeClock(QmpClient qmp, byte[] bytes) throws Exception {
        qmp.execute("stop");
        for (int i = 0; i < bytes.length; i++) {
            qmp.humanMonitor("o /b 0x70 " + (0x40 + i));
            qmp.humanMonitor("o /b 0x71 " + (bytes[i] & 0xff));
        }
        qmp.execute("cont");
    }

    /** In the pause: where QEMU is to write a file there is a folder. */
    private static void breakDeviceFile(String moment) {
        if (!moment.equals("STOPPED")) {
            return;
        }
        // Only ours: those of others come and go.
        String ours = "device-" + ProcessHandle.current().pid() + "-*";
        try (DirectoryStream<Path> folders = Files.newDirectoryStream(RuntimeFolder.path(), ours)) {
            for (Path folder : folders) {
                if (Files.deleteIfExists(folder.resolve("state"))) {
                    Files.createDirectory(folder.resolve("state"));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void compare(GuestSession session) throws Exception {
        QmpClient qmp = session.qmp();
        List<RamRegion> memory = GuestMemory.inspect(session.pid(), qmp);
        assertThat(PlainDeviceSaver.fits(session, memory)).isTrue();
        MigrationSetup setup = MigrationSetup.apply(qmp, EngineName.UFFD);
        qmp.execute("stop");
        byte[] ours;
        byte[] qemus;
        try (DeviceSaver plain = PlainDeviceSaver.prepare(session, folder, memory);
                DeviceSaver snapshot = SnapshotSaver.attach(qmp, folder)) {
            ours = save(plain);
            qemus = save(snapshot);
        }
        setup.undo();
        assertThat(qmp.execute("query-status").path("status").asText()).isEqualTo("paused");
        requireSame(ours, qemus);
        // QEMU checks the address of memory that it left out itself.
        assertThat(blocksOf(ours, memory)).hasSize(1).isEqualTo(blocksOf(qemus, memory));
    }

    private static List<RamBlock> blocksOf(byte[] stream, List<RamRegion> memory)
            throws VmckptException {
        return DeviceStream.parse(stream).ramBlocks().stream()
                .filter(block -> memory.stream().anyMatch(it -> it.id().equals(block.name())))
                .toList();
    }

    private static byte[] save(DeviceSaver saver) throws VmckptException {
        saver.stage();
        saver.readMemory();
        saver.begin();
        saver.awaitEnd();
        return saver.stream();
    }

    private static void requireSame(byte[] ours, byte[] qemus) throws Exception {
        DeviceStream mine = DeviceStream.parse(ours);
        DeviceStream theirs = DeviceStream.parse(qemus);
        assertThat(mine.machine()).isEqualTo(theirs.machine());
        assertThat(mine.ignoresShared()).isEqualTo(theirs.ignoresShared());
        assertThat(withoutAddresses(mine.ramBlocks()))
                .isEqualTo(withoutAddresses(theirs.ramBlocks()));
        assertThat(pages(ours)).isEqualTo(pages(qemus));
        assertThat(mine.sections()).hasSameSizeAs(theirs.sections());
        for (int i = 0; i < mine.sections().size(); i++) {
            DeviceStream.Section one = mine.sections().get(i);
            DeviceStream.Section other = theirs.sections().get(i);
            assertThat(one.name()).isEqualTo(other.name());
            assertThat(one.instance()).isEqualTo(other.instance());
            assertThat(one.version()).isEqualTo(other.version());
            assertThat(one.sizeBytes()).as(one.name()).isEqualTo(other.sizeBytes());
            if (!DIFFERENT.contains(one.name())) {
                assertThat(state(ours, one)).as(one.name()).isEqualTo(state(qemus, other));
            }
        }
    }

    private static byte[] state(byte[] stream, DeviceStream.Section section) {
        return Arrays.copyOfRange(stream, section.offset(), section.offset() + section.sizeBytes());
    }

    /** QEMU needs them only of memory that it left out itself. */
    private static List<RamBlock> withoutAddresses(List<RamBlock> blocks) {
        return blocks.stream()
                .map(it -> new RamBlock(it.name(), it.sizeBytes(), 0, it.pagesInStream()))
                .toList();
    }

    private static Map<String, Integer> pages(byte[] stream) throws VmckptException {
        Map<String, Integer> hashes = new TreeMap<>();
        RamSplitter.split(
                Channels.newChannel(new ByteArrayInputStream(stream)),
                block -> Optional.of(new Hashing(block.name(), hashes)));
        return hashes;
    }

    private record Hashing(String block, Map<String, Integer> hashes)
            implements RamPages.BlockPages {
        @Override
        public void page(long number, ByteBuffer content) {
            byte[] bytes = new byte[content.remaining()];
            content.get(bytes);
            hashes.put(block + " " + number, Arrays.hashCode(bytes));
        }

        @Override
        public void zero(long number) {
            hashes.put(block + " " + number, Arrays.hashCode(new byte[4096]));
        }
    }
}
