package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.BufferedReader;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.DiskState;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.FreezeNote;
import org.vmckpt.cow.checkpoint.Quiesce;
import org.vmckpt.cow.disk.DiskMaterializer;
import org.vmckpt.cow.guard.AgentChannel;
import org.vmckpt.cow.restore.RestoreRequest;
import org.vmckpt.cow.rollback.RollbackReport;
import org.vmckpt.cow.rollback.RollbackRequest;
import org.vmckpt.cow.rollback.RollbackService;
import org.vmckpt.testvm.AgentProbe;
import org.vmckpt.testvm.RestoredGuest;
import org.vmckpt.testvm.TestDisk;
import org.vmckpt.testvm.TestGuest;
import org.vmckpt.testvm.Workload;

/** A guest with a real file system and Debian's guest agent, frozen around its fork. */
@Timeout(300)
final class QuiesceIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final String GUARD = "org.vmckpt.cow.guard.GuardMain";
    private static final Optional<Quiesce> QUIESCE = Optional.of(new Quiesce(Optional.empty()));
    private static final Instant LONG_AGO = Instant.parse("2001-02-03T04:05:06Z");

    /** Every engine and every point; by hand. */
    private static final boolean ALL = Boolean.getBoolean("vmckpt.quiesce.all");

    @TempDir static Path folder;
    private static TestGuest guest;
    private static AgentProbe agent;
    private static Store store;

    @BeforeAll
    static void bootGuest() throws Exception {
        guest =
                TestGuest.builder()
                        .memory(128 * MIB)
                        .vcpus(1)
                        .disk(TestDisk.raw(16 * MIB))
                        .workload(Workload.idle(4 * MIB))
                        .guestAgent()
                        .start();
        store = Store.openOrCreate(folder.resolve("store"));
        guest.awaitBoot();
        agent = new AgentProbe(guest.agentSocket());
        agent.awaitAnswer();
    }

    @AfterAll
    static void endGuest() {
        store.close();
        guest.close();
    }

    private static Manifest checkpoint(Optional<Quiesce> quiesce, ProgressListener progress)
            throws Exception {
        CheckpointRequest request =
                CheckpointRequest.of(guest.qmpSocket(), store).withQuiesce(quiesce);
        return CheckpointService.checkpoint(request, progress).manifest();
    }

    static List<String> points() {
        return ALL
                ? List.of("freeze", "frozen", "STOPPED", "FORKED", "RESUMED", "thaw")
                : List.of("frozen", "STOPPED");
    }

    private static void requireThawed() throws Exception {
        await().atMost(SOON).ignoreExceptions().until(() -> agent.status().equals("thawed"));
        agent.awaitWrites();
    }

    @Test
    void itsFileSystemsNeedNoRepairAndComeBackThawedAndWithTheTimeOfDay() throws Exception {
        assertThat(needsRecovery(checkpoint(Optional.empty(), ProgressListener.none()))).isTrue();
        agent.setTime(LONG_AGO);
        for (EngineName engine : ALL ? EngineName.values() : new EngineName[] {EngineName.UFFD}) {
            CheckpointRequest request =
                    CheckpointRequest.of(guest.qmpSocket(), store)
                            .withEngine(engine)
                            .withQuiesce(QUIESCE);
            Manifest manifest =
                    CheckpointService.checkpoint(request, ProgressListener.none()).manifest();
            System.out.printf("%s quiesced: %s%n", engine, manifest.statistics());
            assertThat(manifest.statistics()).containsEntry("frozenFileSystems", 1L);
            assertThat(needsRecovery(manifest)).as("%s", engine).isFalse();
            requireThawed();
        }
        Path home = folder.resolve("restored");
        Manifest last = store.list().getLast();
        try (RestoredGuest _ = RestoredGuest.restore(store, last, guest.folder(), home)) {
            AgentProbe inside = new AgentProbe(home.resolve("agent.sock"));
            assertThat(inside.status()).isEqualTo("thawed");
            assertThat(inside.time()).isAfter(Instant.now().minus(Duration.ofDays(1)));
            inside.awaitWrites();
            requireRollbackThaws(last, home);
        }
        assertThat(notes()).isEmpty();
    }

    /** Of the restored guest, which its copy replaces. */
    private static void requireRollbackThaws(Manifest frozen, Path home) throws Exception {
        RestoreRequest target =
                RestoreRequest.of(store, frozen, home.resolve("qmp.sock"), home.resolve("rollback"))
                        .withMaps(Map.of(guest.folder(), home));
        RollbackReport report =
                RollbackService.rollback(
                        new RollbackRequest(target, Optional.empty()), ProgressListener.none());
        try {
            AgentProbe inside = new AgentProbe(home.resolve("agent.sock"));
            assertThat(inside.status()).isEqualTo("thawed");
            inside.awaitWrites();
        } finally {
            ProcessHandle.of(report.guest().pid()).ifPresent(ProcessHandle::destroyForcibly);
        }
        assertThat(Path.of("/run/vmckpt", "frozen-" + report.guest().pid())).doesNotExist();
    }

    /** The flag of ext4 that its journal has to be replayed: INCOMPAT_RECOVER. */
    private static boolean needsRecovery(Manifest manifest) throws Exception {
        DiskState disk = manifest.disks().getFirst();
        Path image = folder.resolve("image");
        Files.deleteIfExists(image);
        DiskMaterializer.materialize(
                store, disk.layers(), disk.virtualSizeBytes(), image, ProgressListener.none());
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "r")) {
            file.seek(1024 + 0x38);
            assertThat(Short.reverseBytes(file.readShort()) & 0xffff).isEqualTo(0xef53);
            file.seek(1024 + 0x60);
            return (Integer.reverseBytes(file.readInt()) & 0x4) != 0;
        }
    }

    @ParameterizedTest
    @MethodSource("points")
    void aKilledCheckpointLeavesItThawed(String point) throws Exception {
        Process halted = haltedAt(point);
        halted.destroyForcibly().waitFor();
        requireThawed();
        checkpoint(QUIESCE, ProgressListener.none());
        assertThat(notes()).isEmpty();
    }

    private static Process haltedAt(String point) throws Exception {
        Process halting =
                Programs.java(
                        List.of(),
                        HaltingCheckpointMain.class,
                        guest.qmpSocket().toString(),
                        store.directory().toString(),
                        point,
                        EngineName.UFFD.name(),
                        DiskIo.DRAIN.name(),
                        "quiesce");
        BufferedReader lines = halting.inputReader(StandardCharsets.UTF_8);
        assertThat(lines.readLine()).startsWith("at " + point);
        return halting;
    }

    @Test
    void whenAllAreKilledWhoeverComesNextThaws() throws Exception {
        for (boolean agentStarts : ALL ? new boolean[] {true, false} : new boolean[] {true}) {
            Process halted = haltedAt("frozen");
            killGuards(halted.toHandle());
            halted.destroyForcibly().waitFor();
            assertThat(agent.status()).isEqualTo("frozen");
            if (agentStarts) {
                FreezeNote.thawAllLeft();
            } else {
                checkpoint(Optional.empty(), ProgressListener.none());
            }
            requireThawed();
            assertThat(notes()).isEmpty();
        }
    }

    private static void killGuards(ProcessHandle parent) {
        parent.children()
                .filter(child -> Programs.commandLine(child).contains(GUARD))
                .forEach(guard -> {
                    guard.destroyForcibly();
                    guard.onExit().join();
                });
    }

    @Test
    void withoutItsGuardACheckpointThawsAndEnds() throws Exception {
        assertThatThrownBy(() ->
                        checkpoint(
                                QUIESCE,
                                (phase, done, total, unit) -> {
                                    if (phase.equals("frozen")) {
                                        killGuards(ProcessHandle.current());
                                    }
                                }))
                .isInstanceOf(RefusedException.class)
                .hasMessageContaining("guard");
        requireThawed();
        assertThat(notes()).isEmpty();
    }

    @Test
    void anAgentThatSomebodyElseTalksToIsNotFrozen() throws Exception {
        try (AgentChannel other = AgentChannel.connect(guest.agentSocket(), SOON)) {
            assertThatThrownBy(() -> checkpoint(QUIESCE, ProgressListener.none()))
                    .isInstanceOf(TransportException.class)
                    .hasMessageContainingAll("guest agent", "somebody else");
            assertThat(other.call("{\"execute\": \"guest-fsfreeze-status\"}", SOON))
                    .contains("thawed");
        }
    }

    private static List<String> notes() throws Exception {
        try (Stream<Path> files = Files.list(Path.of("/run/vmckpt"))) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.equals("frozen-" + guest.pid()))
                    .toList();
        }
    }
}
