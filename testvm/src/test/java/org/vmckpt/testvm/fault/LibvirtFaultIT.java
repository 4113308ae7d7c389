package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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
        domain =
                TestDomain.start(
                        host,
                        "guest",
                        96 * MIB,
                        true,
                        Workload.idle(16 * MIB)
                                .memory(Rate.perSecond(4000))
                                .disk(Rate.perSecond(40)));
        domain.awaitBoot();
    }

    @AfterAll
    static void endLibvirtd() {
        host.close();
    }

    private CheckpointRequest request() {
        return CheckpointRequest.of(new GuestAddress.Libvirt(host.uri(), "guest"), store);
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
        checkpoint();
        try (var files = Files.list(domain.folder())) {
            assertThat(files.filter(file -> file.toString().contains(".vmckpt-")))
                    .containsExactlyInAnyOrder(domain.diskFile("vda"), domain.diskFile("vdb"));
        }
        assertThat(domain.console().verify(SOON).errors()).isZero();
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
