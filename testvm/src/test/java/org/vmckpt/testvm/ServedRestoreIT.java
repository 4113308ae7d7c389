package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.restore.DiskServer;

/**
 * From volume to checkpoint to a restored guest whose disks are served again, and so on; the
 * guest's own workload is the judge.
 */
final class ServedRestoreIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final long DELAY_MILLIS = 200;
    private static final long SOME_WRITES = 100;
    private static final int ATTEMPTS = 5;
    private static final String REISSUED = "reissuedRequests";

    @TempDir private Path folder;

    private static CheckpointReport reissuing(Path qmpSocket, Store store) throws Exception {
        return CheckpointService.checkpoint(
                PatientRequest.of(qmpSocket, store)
                        .withEngine(EngineName.UFFD)
                        .withDiskIo(DiskIo.REISSUE),
                ProgressListener.none());
    }

    private RestoredGuest restoreServed(Store store, Manifest manifest, Path from, String name)
            throws Exception {
        Path own = folder.resolve(name);
        return RestoredGuest.restore(
                own,
                RestoredGuest.request(store, manifest, own)
                        .withMaps(Map.of(from, own))
                        .withServedDisks(true));
    }

    private static void awaitWrites(RestoredGuest guest) {
        long before = guest.console().awaitAnyTick(SOON).diskWrites();
        guest.console().awaitTick(it -> it.diskWrites() > before + SOME_WRITES, "writes", SOON);
    }

    @Test
    void aServedGuestIsCheckpointedAndRestoredServedAgain() throws Exception {
        Path socket = folder.resolve("s");
        try (Store store = Store.openOrCreate(folder.resolve("store"))) {
            String nonce;
            Path original;
            Manifest first;
            try (SlowVolumeServer server = VolumeAttachment.ONE_BLK.serve(folder, socket);
                    TestGuest guest = guestOnVolumeAndFile(socket)) {
                nonce = guest.awaitBoot().nonce();
                original = guest.folder();
                guest.console().awaitTick(it -> it.diskWrites() > SOME_WRITES, "writes", SOON);
                server.delay(DELAY_MILLIS);
                first = checkpointWithPendingRequests(guest, store);
                server.delay(0);
            }
            Manifest second;
            try (RestoredGuest restored = restoreServed(store, first, original, "second")) {
                restored.requireGoesOn(nonce);
                awaitWrites(restored);
                // Both disks, though one of them was a file before.
                second = reissuing(restored.report().qmpPath(), store).manifest();
                assertThat(second.statistics()).containsKey(REISSUED);
                assertThat(second.disks()).hasSize(2).allMatch(it -> it.format().equals("nbd"));
                killAndStartServer(restored);
                restored.requireGoesOn(nonce);
            }
            try (RestoredGuest again =
                    restoreServed(store, second, folder.resolve("second"), "third")) {
                again.requireGoesOn(nonce);
                reissuing(again.report().qmpPath(), store);
                assertThat(again.console().verify(SOON).errors()).isZero();
                assertThat(again.console().faults()).isEmpty();
                ProcessHandle server = serverOf(again);
                again.quit();
                server.onExit().get(SOON.toSeconds(), TimeUnit.SECONDS);
            }
        }
    }

    /** A busy host may stop the guest just when it has no request under way. */
    private static Manifest checkpointWithPendingRequests(TestGuest guest, Store store)
            throws Exception {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            Manifest manifest =
                    CheckpointService.checkpoint(
                                    PatientRequest.of(guest.qmpSocket(), store),
                                    ProgressListener.none())
                            .manifest();
            if (manifest.statistics().getOrDefault(REISSUED, 0L) > 0) {
                return manifest;
            }
        }
        throw new AssertionError("no request that the restored guest has to issue again");
    }

    private static TestGuest guestOnVolumeAndFile(Path socket) {
        return TestGuest.builder()
                .memory(128 * MIB)
                .vcpus(1)
                .extraArguments(
                        VolumeAttachment.ONE_BLK.arguments(socket, ",werror=stop,rerror=stop"))
                .disk(TestDisk.qcow2(8 * MIB))
                .workload(Workload.busy(4 * MIB).disk(Rate.FLAT_OUT))
                .start();
    }

    private static ProcessHandle serverOf(RestoredGuest guest) {
        long pid = guest.report().diskServer().orElseThrow().pid();
        return ProcessHandle.of(pid).orElseThrow();
    }

    /** With the command that the report names: QEMU has waited. */
    private static void killAndStartServer(RestoredGuest guest) throws Exception {
        DiskServer server = guest.report().diskServer().orElseThrow();
        ProcessHandle killed = serverOf(guest);
        killed.destroyForcibly();
        killed.onExit().get(SOON.toSeconds(), TimeUnit.SECONDS);
        List<String> command = new ArrayList<>(server.restartCommand(guest.report().pid()));
        assertThat(command.getFirst()).isEqualTo("vmckpt");
        command.set(0, VolumeProcess.program().toString());
        Process started =
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        assertThat(started.inputReader().readLine()).startsWith("Serving 2 volumes");
        awaitWrites(guest);
        assertThat(Files.exists(server.socket())).isTrue();
    }
}
