package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.checkpoint.ReleaseService;
import org.vmckpt.cow.doctor.Diagnosis;
import org.vmckpt.cow.doctor.Doctor;
import org.vmckpt.cow.doctor.EngineDiagnosis;
import org.vmckpt.cow.doctor.Finding;
import org.vmckpt.cow.doctor.Verdict;
import org.vmckpt.cow.hook.HookSettings;
import org.vmckpt.cow.hook.Hooks;
import org.vmckpt.cow.hook.Script;
import org.vmckpt.cow.restore.DomainRestore;

/** Domains of a real libvirtd, as an operator has them. */
final class LibvirtIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);

    private static TestLibvirtd host;
    private static Set<Path> monitorFolders;

    @TempDir Path folder;

    @AutoClose private Store store;

    @BeforeAll
    static void startLibvirtd() {
        host = TestLibvirtd.start();
        monitorFolders = TestLibvirtd.ownMonitorFolders();
    }

    @AfterAll
    static void endLibvirtd() {
        host.close();
        assertThat(monitorFolders).containsAll(TestLibvirtd.ownMonitorFolders());
    }

    @BeforeEach
    void openStore() throws Exception {
        store = Store.openOrCreate(folder.resolve("store"));
    }

    private static TestDomain start(String name, boolean shared) {
        return TestDomain.start(
                host,
                name,
                96 * MIB,
                shared,
                Workload.idle(16 * MIB).memory(Rate.perSecond(4000)).disk(Rate.perSecond(40)));
    }

    private static GuestAddress address(String name) {
        return new GuestAddress.Libvirt(host.uri(), name);
    }

    private CheckpointReport checkpoint(TestDomain domain, EngineName engine) throws Exception {
        CheckpointReport report =
                CheckpointService.checkpoint(
                        PatientRequest.of(address(domain.name()), store).withEngine(engine),
                        ProgressListener.none());
        System.out.printf(
                "%s by %s: %s %s%n",
                domain.name(), engine, report.manifest().statistics(), report.warnings());
        return report;
    }

    @Test
    void loadedDomainIsSavedAgainAndAgainAndLibvirtKnowsItsDisks() throws Exception {
        TestDomain domain = start("uffd", true);
        domain.awaitBoot();
        checkpoint(domain, EngineName.UFFD);
        Path overlay = domain.diskFile("vda");
        assertThat(overlay.toString()).matches(".*/vda.qcow2.vmckpt-[0-9a-f]{16}.qcow2");
        assertThat(domain.state()).isEqualTo("running");
        CheckpointReport second = checkpoint(domain, EngineName.UFFD);
        assertThat(second.foldedOverlays()).isEqualTo(2);
        assertThat(second.warnings()).isEmpty();
        assertThat(overlay).doesNotExist();
        assertThat(domain.diskFile("vda")).exists().isNotEqualTo(overlay);
        assertThat(host.virsh("dumpxml", domain.name())).doesNotContain(overlay.toString());
        // Beside the original, as another domain.
        requireRestores(second, domain, "copy", Map.of());
        domain.console().diskRate(Rate.FLAT_OUT);
        ReleaseService.release(address(domain.name()), ProgressListener.none());
        assertThat(domain.diskFile("vda")).isEqualTo(domain.folder().resolve("vda.qcow2"));
        assertThat(domain.diskFile("vdb")).isEqualTo(domain.folder().resolve("vdb.raw"));
        assertThat(domain.console().verify(SOON).errors()).isZero();
        host.virsh("destroy", domain.name());
    }

    /**
     * Restored under another name, it is the guest that was saved, and finds all as it should be.
     */
    private void requireRestores(
            CheckpointReport report, TestDomain original, String name, Map<Path, Path> maps)
            throws Exception {
        Path home = Files.createDirectory(host.domainFolder().resolve(name));
        Map<Path, Path> all = new HashMap<>(maps);
        for (String own : List.of("console.log", "command.sock")) {
            all.put(original.folder().resolve(own), home.resolve(own));
        }
        DomainRestore.Request request =
                new DomainRestore.Request(
                        store,
                        report.manifest(),
                        host.uri(),
                        home.resolve("disks"),
                        all,
                        Optional.of(name),
                        true,
                        false);
        restoreAskingHooks(request);
        TestDomain copy = original.restoredAs(host, name);
        assertThat(copy.state()).isEqualTo("running");
        requireGoesOn(copy, original);
        host.virsh("destroy", name);
        host.virsh("undefine", name);
    }

    private void restoreAskingHooks(DomainRestore.Request request) throws Exception {
        Path scripts = Files.createDirectory(folder.resolve("hooks.d"));
        Path log = folder.resolve("log");
        Script.write(scripts, "10-log", "echo $1 $VMCKPT_MONITOR >>" + log);
        Script.write(scripts, "20-forbid", "[ $1 != pre-restore ]");
        Hooks hooks = new Hooks(HookSettings.NONE.withFolder(scripts));
        assertThatThrownBy(() -> DomainRestore.restore(request, hooks, ProgressListener.none()))
                .hasMessageContaining("20-forbid");
        assertThat(request.disksDirectory()).doesNotExist();
        Files.delete(scripts.resolve("20-forbid"));
        DomainRestore.restore(request, hooks, ProgressListener.none());
        assertThat(log).hasContent("pre-restore\nfailed\npre-restore\nrestored libvirt:copy");
    }

    private static void requireGoesOn(TestDomain copy, TestDomain original) {
        GuestConsole console = copy.console();
        ConsoleLine.Tick first = console.awaitAnyTick(SOON);
        assertThat(first.nonce()).isEqualTo(original.console().awaitAnyTick(SOON).nonce());
        console.awaitTick(first.counter() + 1, SOON);
        assertThat(console.verify(SOON).errors()).isZero();
    }

    @Test
    void exportedFileIsOneThatVirshRestores() throws Exception {
        TestDomain domain = start("saved", false);
        domain.awaitBoot();
        checkpoint(domain, EngineName.PAUSE);
        CheckpointReport report = checkpoint(domain, EngineName.BACKGROUND);
        assertThat(domain.console().verify(SOON).errors()).isZero();
        ConsoleLine.Tick before = domain.console().awaitAnyTick(SOON);
        host.virsh("destroy", domain.name());
        Files.delete(domain.folder().resolve("console.log"));
        Path file = domain.folder().resolve("saved.save");
        DomainRestore.export(
                new DomainRestore.Request(
                        store,
                        report.manifest(),
                        "",
                        domain.folder().resolve("disks"),
                        Map.of(),
                        Optional.empty(),
                        false,
                        false),
                file,
                ProgressListener.none());
        host.virsh("restore", file.toString());
        ConsoleLine.Tick first = domain.console().awaitAnyTick(SOON);
        assertThat(first.nonce()).isEqualTo(before.nonce());
        assertThat(domain.console().verify(SOON).errors()).isZero();
        host.virsh("destroy", domain.name());
    }

    /** Also for a QEMU that is another user's and confined; it is left as it was. */
    @Test
    void doctorFindsADomainFitForEveryEngine() throws Exception {
        TestDomain domain = start("patient", true);
        Diagnosis diagnosis = Doctor.examine(address(domain.name()), folder, true);
        assertThat(diagnosis.guest())
                .extracting(Finding::verdict)
                .as(diagnosis.guest().toString())
                .containsOnly(Verdict.OK);
        assertThat(diagnosis.engines()).allMatch(EngineDiagnosis::usable);
        assertThat(domain.state()).isEqualTo("running");
        host.virsh("destroy", domain.name());
        assertThatThrownBy(() -> Doctor.examine(address(domain.name()), folder, true))
                .isInstanceOf(RefusedException.class)
                .hasMessageContaining("shut off");
    }

    @Test
    void unknownAndStoppedDomainsAreNamed() {
        assertThatThrownBy(() ->
                        CheckpointService.checkpoint(
                                PatientRequest.of(address("nobody"), store),
                                ProgressListener.none()))
                .isInstanceOf(NotFoundException.class)
                .hasMessageContaining("nobody");
        TestDomain.define(host, "off", 64 * MIB, true, Workload.idle(MIB));
        assertThatThrownBy(() ->
                        CheckpointService.checkpoint(
                                PatientRequest.of(address("off"), store), ProgressListener.none()))
                .isInstanceOf(RefusedException.class)
                .hasMessageContaining("shut off");
    }
}
