package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.checkpoint.ProbedCheckpoint;
import org.vmckpt.cow.restore.DomainRestore;
import org.vmckpt.testvm.Rate;
import org.vmckpt.testvm.TestDomain;
import org.vmckpt.testvm.TestLibvirtd;
import org.vmckpt.testvm.Workload;

/** A domain runs on whatever happens to vmckpt or to libvirtd, and libvirt knows its disks. */
final class LibvirtFaultIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);

    private static TestLibvirtd host;
    private static TestDomain domain;

    @TempDir Path folder;

    @AutoClose private Store store;

    @BeforeEach
    void openStore() throws Exception {
        store = Store.openOrCreate(folder.resolve("store"));
    }

    @BeforeAll
    static void startDomain() {
        host = TestLibvirtd.start();
        domain = start("guest");
        domain.awaitBoot();
    }

    private static TestDomain start(String name) {
        return TestDomain.start(
                host,
                name,
                96 * MIB,
                true,
                Workload.idle(16 * MIB).memory(Rate.perSecond(4000)).disk(Rate.perSecond(40)));
    }

    @AfterAll
    static void endLibvirtd() {
        host.close();
    }

    private CheckpointRequest request() {
        return request(domain);
    }

    private CheckpointRequest request(TestDomain of) {
        return CheckpointRequest.of(new GuestAddress.Libvirt(host.uri(), of.name()), store);
    }

    private CheckpointReport checkpoint() throws Exception {
        return CheckpointService.checkpoint(request(), ProgressListener.none());
    }

    /** What a killed process had made is gone. */
    private static void awaitNothingLeft(Set<Path> before) {
        await().atMost(SOON)
                .untilAsserted(() -> assertThat(before).containsAll(TestLibvirtd.monitorFolders()));
    }

    private void awaitRunning() {
        await().atMost(SOON).until(() -> domain.state().equals("running"));
    }

    /** One overlay a disk, which libvirt names, and a guest that found no error. */
    private void requireNextCheckpointCleansUp() throws Exception {
        requireNextCheckpointCleansUp(domain);
    }

    private void requireNextCheckpointCleansUp(TestDomain of) throws Exception {
        CheckpointService.checkpoint(request(of), ProgressListener.none());
        try (var files = Files.list(of.folder())) {
            assertThat(files.filter(file -> file.toString().contains(".vmckpt-")))
                    .containsExactlyInAnyOrder(of.diskFile("vda"), of.diskFile("vdb"));
        }
        assertThat(of.console().verify(SOON).errors()).isZero();
    }

    @ParameterizedTest
    @CsvSource({"FORKED, UFFD", "FORKED, PAUSE"})
    void killedVmckptLeavesADomainThatGoesOn(String point, EngineName engine) throws Exception {
        Set<Path> before = TestLibvirtd.monitorFolders();
        HaltedCheckpoint.killAt(point, "libvirt:guest@" + host.uri(), store, engine, DiskIo.DRAIN);
        awaitRunning();
        requireNextCheckpointCleansUp();
        awaitNothingLeft(before);
    }

    @Test
    void libvirtdThatIsKilledInThePauseLeavesADomainThatGoesOn() throws Exception {
        Set<Path> before = TestLibvirtd.monitorFolders();
        assertThatThrownBy(() ->
                        ProbedCheckpoint.take(
                                request(),
                                ProgressListener.none(),
                                moment -> {
                                    if (moment.equals("STOPPED")) {
                                        host.kill();
                                    }
                                }))
                .isInstanceOf(VmckptException.class);
        assertThat(store.list()).isEmpty();
        host.startAgain();
        awaitRunning();
        requireNextCheckpointCleansUp();
        awaitNothingLeft(before);
    }

    /** Whether QEMU has gone over to the overlays by then or not: what it writes is a file. */
    @ParameterizedTest
    @ValueSource(ints = {0, 30})
    void libvirtdThatIsKilledWhileItForksTakesNoFileAway(int millis) throws Exception {
        TestDomain other = start("forked" + millis);
        other.awaitBoot();
        Thread killer = killLibvirtdOnceOpen(other, ".vmckpt-", Duration.ofMillis(millis));
        assertThatThrownBy(() -> CheckpointService.checkpoint(request(other), onceKilled(killer)))
                .isInstanceOf(VmckptException.class);
        killer.join();
        assertThat(openFiles(other))
                .anyMatch(file -> file.startsWith(other.folder().toString()))
                .noneMatch(file -> file.endsWith("(deleted)") && file.contains(".qcow2"));
        host.startAgain();
        assertThat(other.state()).isEqualTo("running");
        assertThat(other.console().verify(SOON).errors()).isZero();
        host.virsh("destroy", other.name());
    }

    /** The fork is over by the pause; without this a checkpoint could end before a late kill. */
    private static ProgressListener onceKilled(Thread killer) {
        return (phase, done, total, unit) -> {
            if (phase.equals("pause")) {
                try {
                    killer.join();
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            }
        };
    }

    @Test
    void libvirtdThatIsKilledWhileItRestoresTakesNoFileAway() throws Exception {
        CheckpointReport report = checkpoint();
        TestDomain copy = domain.restoredAs(host, "copy");
        Files.createDirectory(copy.folder());
        DomainRestore.Request restore =
                new DomainRestore.Request(
                        store,
                        report.manifest(),
                        host.uri(),
                        copy.folder().resolve("disks"),
                        Map.of(
                                domain.folder().resolve("console.log"),
                                copy.folder().resolve("console.log"),
                                domain.folder().resolve("command.sock"),
                                copy.folder().resolve("command.sock")),
                        Optional.of(copy.name()),
                        true,
                        false);
        Thread killer = killLibvirtdOnceOpen(copy, ".raw", Duration.ZERO);
        assertThatThrownBy(() -> DomainRestore.restore(restore, ProgressListener.none()))
                .hasMessageContaining("is not known");
        killer.join();
        assertThat(restore.disksDirectory()).isDirectoryContaining("glob:**.raw");
        assertThat(openFiles(copy))
                .noneMatch(file -> file.endsWith("(deleted)") && file.contains(".raw"));
        host.startAgain();
        awaitRunning();
    }

    /** As soon as the domain's QEMU has a file open whose path has this in it, and then some. */
    private static Thread killLibvirtdOnceOpen(TestDomain of, String part, Duration later) {
        return Thread.ofVirtual()
                .start(() -> {
                    await().pollInterval(Duration.ofMillis(1))
                            .atMost(SOON)
                            .until(() -> openFiles(of).stream().anyMatch(it -> it.contains(part)));
                    LockSupport.parkNanos(later.toNanos());
                    host.kill();
                });
    }

    private static List<String> openFiles(TestDomain of) throws IOException {
        Path note = host.folder().resolve("run/qemu").resolve(of.name() + ".pid");
        List<String> files = new ArrayList<>();
        if (!Files.exists(note)) {
            return files;
        }
        Path folder = Path.of("/proc", Files.readString(note).strip(), "fd");
        try (DirectoryStream<Path> open = Files.newDirectoryStream(folder)) {
            for (Path descriptor : open) {
                target(descriptor).ifPresent(files::add);
            }
        } catch (DirectoryIteratorException | NoSuchFileException e) {
            // It ends; what was seen is enough for whoever asks again.
        }
        return files;
    }

    /** Nothing if QEMU has closed it meanwhile, as it does with its monitor when libvirtd ends. */
    private static Optional<String> target(Path descriptor) throws IOException {
        try {
            return Optional.of(Files.readSymbolicLink(descriptor).toString());
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
    }

    @Test
    void domainThatIsDestroyedInThePauseStartsAgainFromItsDisks() throws Exception {
        Set<Path> before = TestLibvirtd.monitorFolders();
        TestDomain ended = start("ended");
        ended.awaitBoot();
        assertThatThrownBy(() ->
                        ProbedCheckpoint.take(
                                request(ended),
                                ProgressListener.none(),
                                moment -> {
                                    if (moment.equals("STOPPED")) {
                                        host.virsh("destroy", "ended");
                                    }
                                }))
                .isInstanceOf(VmckptException.class);
        assertThat(store.list()).isEmpty();
        assertThat(store.clean().segmentsSkipped()).isFalse();
        awaitNothingLeft(before);
        // It boots from the files that libvirt knows of, and they are not blank.
        Files.delete(ended.folder().resolve("console.log"));
        Path definition = ended.folder().resolve("again.xml");
        String known = host.virsh("dumpxml", "--inactive", "ended");
        Files.writeString(definition, known.replace("disk.fresh=1", "disk.fresh=0"));
        host.virsh("define", definition.toString());
        host.virsh("start", "ended");
        ended.awaitBoot();
        requireNextCheckpointCleansUp(ended);
        host.virsh("destroy", "ended");
    }

    @Test
    void diskWithABlockJobOfLibvirtIsRefused() throws Exception {
        host.virsh("snapshot-create-as", "guest", "x", "--disk-only", "--no-metadata");
        host.virsh("blockcommit", "guest", "vda", "--active");
        assertThatThrownBy(this::checkpoint)
                .isInstanceOf(RefusedException.class)
                .hasMessageContaining("block job");
        assertThat(domain.state()).isEqualTo("running");
        host.virsh("blockjob", "guest", "vda", "--abort");
        checkpoint();
        assertThat(domain.console().verify(SOON).errors()).isZero();
    }
}
