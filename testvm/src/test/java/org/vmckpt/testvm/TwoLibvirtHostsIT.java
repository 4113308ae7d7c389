package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.restore.DomainRestore;

/** A domain whose host is gone goes on at another one, from what that one was given before. */
final class TwoLibvirtHostsIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final String NAME = "mover";

    @TempDir private Path folder;

    @AutoClose private final TestLibvirtd there = TestLibvirtd.start();

    @Test
    void domainGoesOnUnderItsNameAtTheOtherHost() throws Exception {
        String uuid;
        ConsoleLine.Tick before;
        TestDomain domain;
        Path stream = folder.resolve("stream");
        Path home = Files.createDirectory(there.domainFolder().resolve(NAME));
        try (TestLibvirtd here = TestLibvirtd.start()) {
            domain = start(here);
            uuid = here.virsh("domuuid", NAME);
            send(here, stream);
            before = domain.console().awaitAnyTick(SOON);
            // What a definition names besides disks is for the operator to bring.
            for (String own : List.of("kernel", "initrd")) {
                Files.copy(domain.folder().resolve(own), home.resolve(own));
            }
        }
        assertThat(domain.folder()).as("nothing is left of the first host").doesNotExist();
        restore(stream, Map.of(domain.folder(), home));
        assertThat(there.virsh("domuuid", NAME)).isEqualTo(uuid);
        TestDomain moved = domain.restoredAs(there, NAME);
        assertThat(moved.state()).isEqualTo("running");
        GuestConsole console = moved.console();
        assertThat(console.awaitAnyTick(SOON).nonce()).isEqualTo(before.nonce());
        assertThat(console.verify(SOON).errors()).isZero();
        // It is the new host's own: it can be saved there, and started again.
        send(there, folder.resolve("again"));
        there.virsh("destroy", NAME);
        there.virsh("start", NAME);
        assertThat(moved.diskFile("vda")).exists().startsWith(home);
    }

    private static TestDomain start(TestLibvirtd host) {
        Workload workload =
                Workload.idle(16 * MIB).memory(Rate.perSecond(4000)).disk(Rate.perSecond(40));
        TestDomain domain = TestDomain.start(host, NAME, 96 * MIB, true, workload);
        domain.awaitWork();
        return domain;
    }

    /** A checkpoint, as a file for another host. */
    private void send(TestLibvirtd host, Path stream) throws Exception {
        GuestAddress address = new GuestAddress.Libvirt(host.uri(), NAME);
        try (Store store = Store.openOrCreate(folder.resolve("store of " + stream.getFileName()));
                var out = Files.newOutputStream(stream)) {
            Manifest manifest =
                    CheckpointService.checkpoint(
                                    PatientRequest.of(address, store), ProgressListener.none())
                            .manifest();
            store.exportTo(manifest, out, ProgressListener.none());
        }
    }

    private void restore(Path stream, Map<Path, Path> maps) throws Exception {
        try (Store store = Store.openOrCreate(folder.resolve("store there"));
                var in = Files.newInputStream(stream)) {
            Manifest manifest = store.importFrom(in, ProgressListener.none());
            DomainRestore.restore(
                    new DomainRestore.Request(
                            store,
                            manifest,
                            there.uri(),
                            maps.values().iterator().next().resolve("disks"),
                            maps,
                            Optional.empty(),
                            false,
                            false),
                    ProgressListener.none());
        }
    }
}
