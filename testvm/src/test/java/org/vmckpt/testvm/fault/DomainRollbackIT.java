package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.restore.DomainRestore;
import org.vmckpt.cow.rollback.DomainRollback;
import org.vmckpt.cow.rollback.ProbedDomainRollback;
import org.vmckpt.testvm.ConsoleLine;
import org.vmckpt.testvm.TestDomain;
import org.vmckpt.testvm.TestLibvirtd;
import org.vmckpt.testvm.Workload;

/** A domain that is rolled back is one guest, whatever happens meanwhile. */
final class DomainRollbackIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);

    /** Every step, by hand. */
    private static final boolean ALL = System.getProperty("vmckpt.soak") != null;

    @TempDir Path folder;

    @AutoClose private final TestLibvirtd host = TestLibvirtd.start();
    @AutoClose private Store store;
    private TestDomain domain;

    @BeforeEach
    void startDomain() throws Exception {
        store = Store.openOrCreate(folder.resolve("store"));
        domain = TestDomain.start(host, "web", 96 * MIB, true, Workload.light(16 * MIB));
        domain.awaitBoot();
    }

    private GuestAddress.Libvirt address() {
        return new GuestAddress.Libvirt(host.uri(), "web");
    }

    private Manifest checkpoint() throws Exception {
        return CheckpointService.checkpoint(
                        CheckpointRequest.of(address(), store), ProgressListener.none())
                .manifest();
    }

    private Path disks(String name) {
        return domain.folder().resolve("rollback-" + name);
    }

    private DomainRestore.Request request(Manifest target, String disks) {
        return new DomainRestore.Request(
                store, target, host.uri(), disks(disks), Map.of(), Optional.empty(), false, false);
    }

    @Test
    void theDomainIsBackAtTheCheckpointOrAsItWas() throws Exception {
        Manifest target = checkpoint();
        String nonce = domain.console().awaitAnyTick(SOON).nonce();
        Manifest later = checkpoint();
        DomainRollback.Report report =
                DomainRollback.rollback(
                        address(), request(target, "1"), later.id(), ProgressListener.none());
        requireGoesOn(nonce, "1");
        assertThat(report.oldDisks()).hasSize(2).allMatch(Files::exists);
        assertThat(disks("1").resolve("memory.save")).doesNotExist();
        // libvirt cannot start it: the guest of just before comes back.
        assertThatThrownBy(() -> loseTheMemory(target, later))
                .isInstanceOf(RefusedException.class)
                .hasMessageContaining("is back from checkpoint " + later.id());
        requireGoesOn(nonce, "2-before");
        assertThat(disks("2")).doesNotExist();
        // Killed, its warden finishes it.
        killWhenEnded(target, later, "3", false);
        await().atMost(SOON).until(() -> domain.state().equals("running"));
        requireGoesOn(nonce, "3");
        if (!ALL) {
            return;
        }
        // Both killed, the next command does.
        killWhenEnded(later, target, "4", true);
        assertThat(domain.state()).isEqualTo("shut off");
        assertThat(DomainRollback.recover(address())).contains("the domain was rolled back");
        requireGoesOn(nonce, "4");
        assertThat(DomainRollback.recover(address())).isEmpty();
    }

    private void loseTheMemory(Manifest target, Manifest safety) throws Exception {
        ProbedDomainRollback.run(
                address(),
                request(target, "2"),
                safety.id(),
                moment -> {
                    if (moment.equals("ENDED")) {
                        assertThat(disks("2").resolve("memory.save").toFile().delete()).isTrue();
                    }
                });
    }

    /** What it says begins anew with each QEMU. */
    private void requireGoesOn(String nonce, String disks) throws Exception {
        await().atMost(SOON)
                .until(() -> domain.diskFile("vda").equals(disks(disks).resolve("vda.raw")));
        assertThat(host.virsh("dumpxml", "--inactive", "web"))
                .contains(disks(disks).resolve("vdb.raw").toString());
        ConsoleLine.Tick first = domain.console().awaitAnyTick(SOON);
        assertThat(first.nonce()).isEqualTo(nonce);
        domain.console().awaitTick(first.counter() + 1, SOON);
        assertThat(domain.console().verify(SOON).errors()).isZero();
        await().atMost(SOON)
                .untilAsserted(() -> {
                    try (Stream<Path> files = Files.list(Path.of("/run/vmckpt"))) {
                        assertThat(files).noneMatch(it -> it.toString().contains("domain-rollb"));
                    }
                });
    }

    private void killWhenEnded(Manifest target, Manifest safety, String disks, boolean wardenToo)
            throws Exception {
        Process process =
                Programs.java(
                        List.of(),
                        HaltingDomainRollbackMain.class,
                        host.uri(),
                        "web",
                        store.directory().toString(),
                        target.id().toString(),
                        safety.id().toString(),
                        disks(disks).toString(),
                        "ENDED");
        try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
            assertThat(lines.readLine()).isEqualTo("at ENDED");
            assertThatThrownBy(() -> DomainRollback.recover(address()))
                    .as("it is under way")
                    .isInstanceOf(ConflictException.class);
            if (wardenToo) {
                Programs.killWarden(process);
            }
        } finally {
            process.destroyForcibly().waitFor();
        }
    }
}
