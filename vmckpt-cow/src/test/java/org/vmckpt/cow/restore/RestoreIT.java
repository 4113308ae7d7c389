package org.vmckpt.cow.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.FileIdentity;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.serving.DetachedServer;

class RestoreIT {
    private static final Duration TIMEOUT = Duration.ofSeconds(60);

    @TempDir Path folder;
    private Store store;
    private final List<Long> restored = new ArrayList<>();

    @BeforeEach
    void openStore() throws VmckptException {
        store = Store.openOrCreate(folder.resolve("store"));
    }

    @AfterEach
    void stopGuests() {
        restored.forEach(pid -> ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly));
        store.close();
    }

    private RestoreRequest request(Manifest manifest, String name) {
        return RestoreRequest.of(
                store, manifest, folder.resolve(name + ".qmp"), folder.resolve(name + ".disks"));
    }

    private RestoreReport restore(RestoreRequest request) throws VmckptException {
        RestoreReport report = new RestoreService().restore(request, ProgressListener.none());
        restored.add(report.pid());
        return report;
    }

    private static int counter(byte[] memory, int index) {
        int offset = StoppedGuest.COUNTERS_ADDRESS + 2 * index;
        return (memory[offset] & 0xff) | ((memory[offset + 1] & 0xff) << 8);
    }

    @Test
    void twoRestoresSideBySideHaveTheSavedMemoryByteForByteAndRunOn() throws Exception {
        try (StoppedGuest guest = new StoppedGuest(folder, List.of())) {
            guest.awaitCounting();
            Manifest manifest = guest.save(store);
            byte[] saved = guest.memory();
            assertThat(manifest.guest().machineType()).startsWith("pc-i440fx-");
            assertThat(manifest.guest().name()).isEqualTo("counter");
            assertThat(manifest.guest().accelerator()).isEqualTo("tcg");
            assertThat(manifest.guest().running()).isTrue();
            assertThat(manifest.guest().vcpuCount()).isEqualTo(1);

            RestoreReport first = restore(request(manifest, "a").withPaused(true));
            RestoreReport second = restore(request(manifest, "b").withPaused(true));
            for (RestoreReport report : List.of(first, second)) {
                assertThat(report.running()).isFalse();
                try (QmpClient qmp = QmpClient.connect(report.qmpPath(), TIMEOUT)) {
                    assertThat(qmp.execute("query-status").path("status").asText())
                            .isEqualTo("paused");
                    assertThat(StoppedGuest.memoryOf(report.pid(), qmp)).isEqualTo(saved);
                    assertCapabilityIsOff(qmp);
                    qmp.execute("cont");
                    awaitCountersAfter(report.pid(), qmp, saved);
                }
                assertDisk(report.disks().getFirst());
                assertThat(
                                PosixFilePermissions.toString(
                                        Files.getPosixFilePermissions(report.logPath())))
                        .isEqualTo("rw-------");
            }
        }
    }

    private static void assertCapabilityIsOff(QmpClient qmp) throws VmckptException {
        qmp.execute("query-migrate-capabilities")
                .forEach(capability ->
                        assertThat(capability.path("state").asBoolean())
                                .as("%s", capability)
                                .isFalse());
    }

    /** The boot sector goes on from where it was: neighbouring counters differ by one at most. */
    private static void awaitCountersAfter(long pid, QmpClient qmp, byte[] saved)
            throws VmckptException, IOException {
        long deadline = System.nanoTime() + TIMEOUT.toNanos();
        byte[] now = StoppedGuest.memoryOf(pid, qmp);
        while (Arrays.equals(counters(now), counters(saved))) {
            assertThat(System.nanoTime())
                    .as("the restored guest stands still")
                    .isLessThan(deadline);
            now = StoppedGuest.memoryOf(pid, qmp);
        }
        qmp.execute("stop");
        now = StoppedGuest.memoryOf(pid, qmp);
        qmp.execute("cont");
        int changes = 0;
        for (int i = 1; i < StoppedGuest.COUNTERS_BYTES / 2; i++) {
            int step = (counter(now, i - 1) - counter(now, i)) & 0xffff;
            assertThat(step).isBetween(0, 1);
            changes += step;
        }
        assertThat(changes).isLessThanOrEqualTo(1);
    }

    private static void assertDisk(RestoredDisk disk) throws IOException, VmckptException {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(disk.base())))
                .isEqualTo("r--------");
        byte[] base = Files.readAllBytes(disk.base());
        assertThat(base).hasSize(StoppedGuest.DISK_BYTES);
        assertThat(base[StoppedGuest.DISK_BYTES - 1]).isEqualTo(StoppedGuest.DISK_MARK);
        assertThat(Command.run(List.of("qemu-img", "info", "-U", disk.overlay().toString())))
                .contains("file format: qcow2")
                .contains("backing file: ide0-hd0.base.raw")
                .contains("backing file format: raw");
    }

    @Test
    void aRestoredGuestCanBeSavedByItsOwnArguments() throws Exception {
        try (StoppedGuest guest = new StoppedGuest(folder, List.of())) {
            guest.awaitCounting();
            Manifest manifest = guest.save(store);
            RestoreReport report = restore(request(manifest, "a"));
            assertThat(report.running()).isTrue();
            assertThat(store.layersOf(FileIdentity.of(report.disks().getFirst().base())))
                    .as("the base is known, and need not be copied into the store again")
                    .contains(manifest.disks().getFirst().layers());
            try (QmpClient qmp = QmpClient.connect(report.qmpPath(), TIMEOUT)) {
                var definition =
                        org.vmckpt.cow.definition.GuestDefinitionReader.read(report.pid(), qmp);
                assertThat(definition.arguments())
                        .contains(
                                "file="
                                        + report.disks().getFirst().overlay()
                                        + ",if=ide,format=qcow2");
                assertThat(definition.running()).isTrue();
            }
        }
    }

    @Test
    void whatExistsIsAConflictAndStaysAsItIs() throws Exception {
        try (StoppedGuest guest = new StoppedGuest(folder, List.of())) {
            Manifest manifest = guest.save(store);
            RestoreRequest request = request(manifest, "a");
            Files.createDirectory(request.disksDirectory());
            Files.writeString(request.disksDirectory().resolve("mine"), "x");
            Files.writeString(request.qmpPath(), "y");
            assertThatThrownBy(() -> restore(request))
                    .isInstanceOf(ConflictException.class)
                    .hasMessageContaining("--disks")
                    .hasMessageContaining("--qmp");
            assertThat(request.disksDirectory().resolve("mine")).hasContent("x");
            assertThat(request.qmpPath()).hasContent("y");
        }
    }

    @Test
    void aQemuThatDoesNotStartLeavesNothingAndItsWordsAreReported() throws Exception {
        try (StoppedGuest guest = new StoppedGuest(folder, List.of())) {
            RestoreRequest request =
                    request(guest.save(store), "a")
                            .withArguments(List.of("-device no-such-device"));
            assertThatThrownBy(() -> restore(request))
                    .isInstanceOf(TransportException.class)
                    .hasMessageContaining("no-such-device");
            assertNothingIsLeft(request);
        }
    }

    @Test
    void aQemuThatDoesNotStartLeavesNoServerOfItsDisks() throws Exception {
        try (StoppedGuest guest = new StoppedGuest(folder, List.of())) {
            RestoreRequest request =
                    request(guest.save(store), "a")
                            .withServedDisks(true)
                            .withArguments(List.of("-device no-such-device"));
            assertThatThrownBy(() -> restore(request))
                    .isInstanceOf(TransportException.class)
                    .hasMessageContaining("no-such-device");
            assertNothingIsLeft(request);
        }
    }

    @Test
    void aQemuThatRefusesTheDeviceStateLeavesNothingAndItsWordsAreReported() throws Exception {
        try (StoppedGuest guest = new StoppedGuest(folder, List.of())) {
            RestoreRequest request =
                    request(guest.save(store), "a")
                            .withArguments(List.of("-machine isapc,memory-backend=mem0"));
            assertThatThrownBy(() -> restore(request))
                    .isInstanceOf(VmckptException.class)
                    .hasMessageContaining("Machine type received is");
            assertNothingIsLeft(request);
        }
    }

    @Test
    void otherMemoryIsRefusedBeforeTheDeviceStateIsLoaded() throws Exception {
        try (StoppedGuest guest = new StoppedGuest(folder, List.of())) {
            RestoreRequest request =
                    request(guest.save(store), "a")
                            .withArguments(
                                    List.of(
                                            "-object"
                                                + " memory-backend-memfd,id=mem0,size=64M,share=on",
                                            "-m 64"));
            assertThatThrownBy(() -> restore(request))
                    .isInstanceOf(UnsupportedException.class)
                    .hasMessageContaining("mem0 67108864");
            assertNothingIsLeft(request);
        }
    }

    @Test
    void damagedSegmentsAreRefusedAndNothingIsLeft() throws Exception {
        try (StoppedGuest guest = new StoppedGuest(folder, List.of())) {
            guest.awaitCounting();
            Manifest manifest = guest.save(store);
            for (var name : manifest.segments()) {
                Path file =
                        folder.resolve("store").resolve("segments").resolve(name.value() + ".seg");
                byte[] content = Files.readAllBytes(file);
                byte[] damaged = content.clone();
                damaged[content.length / 3] ^= 1;
                Files.delete(file);
                Files.write(file, damaged);
                RestoreRequest request = request(manifest, "a");
                assertThatThrownBy(() -> restore(request))
                        .isInstanceOf(CorruptException.class)
                        .hasMessageContaining(name.value());
                assertNothingIsLeft(request);
                Files.write(file, content);
            }
            restore(request(manifest, "a"));
        }
    }

    @Test
    void missingSegmentsAreNamedBeforeAnythingIsMade() throws Exception {
        try (StoppedGuest guest = new StoppedGuest(folder, List.of())) {
            Manifest manifest = guest.save(store);
            Path segments = store.directory().resolve("segments");
            for (var name : manifest.segments()) {
                Files.delete(segments.resolve(name.value() + ".seg"));
            }
            RestoreRequest request = request(manifest, "a");
            var thrown = assertThatThrownBy(() -> restore(request));
            thrown.isInstanceOf(NotFoundException.class);
            manifest.segments().forEach(name -> thrown.hasMessageContaining(name.value()));
            assertNothingIsLeft(request);
        }
    }

    @Test
    void anotherMajorVersionIsRefused() throws Exception {
        try (StoppedGuest guest = new StoppedGuest(folder, List.of())) {
            Manifest manifest = guest.save(store);
            Path other = folder.resolve("qemu-other");
            Files.writeString(other, "#!/bin/sh\necho 'QEMU emulator version 99.0.1'\n");
            Files.setPosixFilePermissions(other, PosixFilePermissions.fromString("rwxr-xr-x"));
            assertThatThrownBy(() -> restore(request(manifest, "a").withQemuBinary(other)))
                    .isInstanceOf(UnsupportedException.class)
                    .hasMessageContaining("version 99.0.1")
                    .hasMessageContaining("--qemu");
        }
    }

    @Test
    void memoryInAFileAndOutputsMoveToTheMappedPlace() throws Exception {
        Path memory = Files.createTempDirectory(Path.of("/dev/shm"), "vmckpt-restore-it-");
        try {
            Path old = Files.createDirectory(memory.resolve("old"));
            Path moved = Files.createDirectory(memory.resolve("moved"));
            moveMemoryAndOutputs(old, moved);
        } finally {
            Workspace.deleteTree(memory);
        }
    }

    private void moveMemoryAndOutputs(Path old, Path moved) throws Exception {
        List<String> arguments =
                List.of("-serial", "file:" + old.resolve("serial"), "-pidfile", old + "/pid");
        String memory = "memory-backend-file,id=mem0,share=on,size=32M,mem-path=" + old + "/ram";
        try (StoppedGuest guest =
                new StoppedGuest(folder, memory, StoppedGuest.PLAIN_DISK, arguments)) {
            guest.awaitCounting();
            Manifest manifest = guest.save(store);
            assertThatThrownBy(() -> restore(request(manifest, "a")))
                    .isInstanceOf(ConflictException.class)
                    .hasMessageContaining("--map " + old.resolve("ram") + "=NEW")
                    .hasMessageContaining("--map " + old.resolve("serial") + "=NEW")
                    .hasMessageContaining("--map " + old.resolve("pid") + "=NEW");
            RestoreRequest request = request(manifest, "a").withMaps(Map.of(old, moved));
            RestoreReport report = restore(request.withPaused(true));
            assertThat(Files.readAllBytes(moved.resolve("ram"))).isEqualTo(guest.memory());
            assertThat(moved.resolve("pid")).content().startsWith(Long.toString(report.pid()));
            for (String file : List.of("ram", "serial", "pid")) {
                assertThat(
                                PosixFilePermissions.toString(
                                        Files.getPosixFilePermissions(moved.resolve(file))))
                        .as("%s may hold the guest's data", file)
                        .isEqualTo("rw-------");
            }
        }
    }

    @Test
    void aFailedRestoreRemovesTheMappedOutputsToo() throws Exception {
        Path old = Files.createDirectory(folder.resolve("old"));
        try (StoppedGuest guest =
                new StoppedGuest(folder, List.of("-serial", "file:" + old.resolve("serial")))) {
            Manifest manifest = guest.save(store);
            Path moved = Files.createDirectory(folder.resolve("moved"));
            RestoreRequest request =
                    request(manifest, "a")
                            .withMaps(Map.of(old, moved))
                            .withArguments(List.of("-machine isapc,memory-backend=mem0"));
            assertThatThrownBy(() -> restore(request)).isInstanceOf(VmckptException.class);
            assertNothingIsLeft(request);
            assertThat(moved).isEmptyDirectory();
        }
    }

    @Test
    void aKvmGuestRunsOn() throws Exception {
        assumeTrue(Files.isWritable(Path.of("/dev/kvm")), "this host has no /dev/kvm");
        List<String> kvm = List.of("-accel", "kvm", "-cpu", "qemu64,-sse3");
        try (StoppedGuest guest = new StoppedGuest(folder, kvm)) {
            guest.awaitCounting();
            Manifest manifest = guest.save(store);
            assertThat(manifest.guest().accelerator()).isEqualTo("kvm");
            assertThat(manifest.guest().hostCpuFlags()).isNotEmpty();
            byte[] saved = guest.memory();
            RestoreReport report = restore(request(manifest, "a").withPaused(true));
            try (QmpClient qmp = QmpClient.connect(report.qmpPath(), TIMEOUT)) {
                // Not all memory: KVM itself writes the page of the guest's clock.
                assertThat(counters(StoppedGuest.memoryOf(report.pid(), qmp)))
                        .isEqualTo(counters(saved));
                qmp.execute("cont");
                awaitCountersAfter(report.pid(), qmp, saved);
            }
        }
    }

    private static byte[] counters(byte[] memory) {
        int start = StoppedGuest.COUNTERS_ADDRESS;
        return Arrays.copyOfRange(memory, start, start + StoppedGuest.COUNTERS_BYTES);
    }

    @Test
    void aRestoreThatIsTerminatedLeavesNothing() throws Exception {
        try (StoppedGuest guest = new StoppedGuest(folder, List.of())) {
            RestoreRequest request = request(guest.save(store), "a").withServedDisks(true);
            Process restore =
                    new ProcessBuilder(
                                    Path.of(System.getProperty("java.home"), "bin", "java")
                                            .toString(),
                                    "--enable-native-access=ALL-UNNAMED",
                                    "-cp",
                                    System.getProperty("java.class.path"),
                                    SlowRestoreMain.class.getName(),
                                    store.directory().toString(),
                                    request.qmpPath().toString(),
                                    request.disksDirectory().toString(),
                                    "true")
                            .redirectError(ProcessBuilder.Redirect.INHERIT)
                            .start();
            try (BufferedReader output = restore.inputReader()) {
                assertThat(output.readLine()).isEqualTo("filling");
                assertThat(request.disksDirectory()).isNotEmptyDirectory();
                restore.destroy();
                assertThat(restore.waitFor(TIMEOUT.toSeconds(), TimeUnit.SECONDS)).isTrue();
            } finally {
                restore.destroyForcibly();
            }
            assertNothingIsLeft(request);
        }
    }

    static Stream<List<String>> disksInEveryStyle() {
        String file = "driver=file,filename=boot.raw,node-name=";
        List<String> device = List.of("-device", "ide-hd,drive=d0");
        return Stream.of(
                        Stream.of("-hda", "boot.raw"),
                        Stream.of("boot.raw"),
                        Stream.of("-drive", "file=boot.raw,media=disk,cache=none,aio=native"),
                        Stream.concat(Stream.of("-blockdev", file + "d0"), device.stream()),
                        Stream.concat(
                                Stream.of(
                                        "-blockdev",
                                        file + "f0,cache.direct=on,aio=threads",
                                        "-blockdev",
                                        "driver=raw,file=f0,node-name=d0"),
                                device.stream()),
                        Stream.concat(
                                Stream.of(
                                        "-blockdev",
                                        "{\"driver\":\"file\",\"filename\":\"boot.raw\",\"node-name\":\"f0\",\"auto-read-only\":true,\"discard\":\"unmap\"}",
                                        "-blockdev",
                                        "{\"node-name\":\"d0\",\"read-only\":false,\"driver\":\"raw\",\"file\":\"f0\"}"),
                                device.stream()),
                        Stream.concat(
                                Stream.of(
                                        "-blockdev",
                                        "driver=raw,node-name=d0,file.driver=file,file.filename=boot.raw,file.locking=off"),
                                device.stream()))
                .map(Stream::toList);
    }

    @ParameterizedTest
    @MethodSource("disksInEveryStyle")
    void everyStyleOfDiskComesUpAsAnOverlay(List<String> diskArguments) throws Exception {
        try (StoppedGuest guest =
                new StoppedGuest(folder, StoppedGuest.MEMFD, diskArguments, List.of())) {
            RestoreReport report = restore(request(guest.save(store), "a"));
            RestoredDisk disk = report.disks().getFirst();
            try (QmpClient qmp = QmpClient.connect(report.qmpPath(), TIMEOUT)) {
                JsonNode inserted = qmp.execute("query-block").path(0).path("inserted");
                assertThat(inserted.path("file").asText()).isEqualTo(disk.overlay().toString());
                assertThat(inserted.path("drv").asText()).isEqualTo("qcow2");
                assertThat(inserted.path("ro").asBoolean()).isFalse();
                assertThat(inserted.path("image").path("backing-image").path("filename").asText())
                        .isEqualTo(disk.base().toString());
            }
            assertDisk(disk);
        }
    }

    /** A drive, and a node over another one in JSON. */
    @ParameterizedTest
    @ValueSource(ints = {2, 5})
    void everyStyleOfDiskIsServedForAsLongAsItsGuestLives(int style) throws Exception {
        List<String> diskArguments = disksInEveryStyle().toList().get(style);
        try (StoppedGuest guest =
                new StoppedGuest(folder, StoppedGuest.MEMFD, diskArguments, List.of())) {
            RestoreReport report = restore(request(guest.save(store), "a").withServedDisks(true));
            RestoredDisk disk = report.disks().getFirst();
            DiskServer server = report.diskServer().orElseThrow();
            try (QmpClient qmp = QmpClient.connect(report.qmpPath(), TIMEOUT)) {
                JsonNode inserted = qmp.execute("query-block").path(0).path("inserted");
                assertThat(inserted.path("drv").asText()).isEqualTo("nbd");
                assertThat(inserted.path("file").asText())
                        .contains("nbd+unix:///" + disk.overlay().getFileName())
                        .contains(server.socket().toString());
                assertThat(inserted.path("ro").asBoolean()).isFalse();
            }
            String uri = "nbd+unix:///%s?socket=%s".formatted(disk.export(), server.socket());
            Command.run(
                    List.of(
                            "qemu-io",
                            "-f",
                            "raw",
                            "-c",
                            "read -P 0x5a %d 512".formatted(StoppedGuest.DISK_BYTES - 512),
                            "-c",
                            "write -P 1 0 512",
                            uri));
            assertThat(Files.readAllBytes(disk.base())[510])
                    .as("the checkpointed content")
                    .isEqualTo((byte) 0x55);
            ProcessHandle process = ProcessHandle.of(server.pid()).orElseThrow();
            assertThat(DetachedServer.pidFileOf(server.socket())).hasContent("" + server.pid());
            ProcessHandle.of(report.pid()).orElseThrow().destroyForcibly();
            process.onExit().get(TIMEOUT.toSeconds(), TimeUnit.SECONDS);
            assertThat(server.socket()).doesNotExist();
            assertThat(DetachedServer.pidFileOf(server.socket())).doesNotExist();
            assertThat(DetachedServer.logOf(server.socket()))
                    .content()
                    .doesNotContain("vmckpt:", "Exception");
        }
    }

    private static void assertNothingIsLeft(RestoreRequest request) throws IOException {
        assertThat(request.disksDirectory()).doesNotExist();
        assertThat(request.qmpPath()).doesNotExist();
        try (Stream<ProcessHandle> processes = ProcessHandle.allProcesses()) {
            assertThat(
                            processes
                                    .map(RestoreIT::commandLine)
                                    .filter(line ->
                                            line.contains(request.qmpPath().toString())
                                                    || line.contains(
                                                            request.disksDirectory().toString())))
                    .isEmpty();
        }
    }

    /** All of it; that of {@link ProcessHandle.Info} ends after 4 KiB. Empty if it has ended. */
    private static String commandLine(ProcessHandle process) {
        try {
            Path file = Path.of("/proc", Long.toString(process.pid()), "cmdline");
            return Files.readString(file, StandardCharsets.ISO_8859_1).replace('\0', ' ');
        } catch (IOException ended) {
            return "";
        }
    }
}
