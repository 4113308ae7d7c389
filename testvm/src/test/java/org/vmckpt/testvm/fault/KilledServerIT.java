package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.cow.serving.ControlClient;
import org.vmckpt.testvm.ConsoleLine;
import org.vmckpt.testvm.Rate;
import org.vmckpt.testvm.TestGuest;
import org.vmckpt.testvm.VolumeProcess;
import org.vmckpt.testvm.Workload;

/** The process that serves a guest's disk is killed in the middle of heavy I/O, again and again. */
final class KilledServerIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int KILLS = 2;
    private static final int SOME_WRITES = 400;
    private static final String OWNER = "checkpoint-1";

    @TempDir private Path folder;

    @Test
    void theGuestGoesOnWithoutAnErrorOnTheRestartedServer() throws Exception {
        Path volume = folder.resolve("v");
        Path socket = folder.resolve("s");
        VolumeProcess.run("create", volume.toString(), "--size", "16M");
        VolumeProcess server = VolumeProcess.start(volume, socket);
        try (TestGuest guest =
                TestGuest.builder()
                        .memory(128 * MIB)
                        .vcpus(1)
                        .extraArguments(VolumeProcess.disk("v", socket))
                        .workload(Workload.busy(4 * MIB).disk(Rate.FLAT_OUT))
                        .start()) {
            assertThat(guest.awaitBoot().disks()).hasSize(1);
            for (int i = 0; i < KILLS; i++) {
                awaitMoreWrites(guest);
                try (ControlClient control = server.control()) {
                    control.fork(List.of(), Optional.empty());
                }
                // The first writes to the new layer are those that could get lost.
                awaitMoreWrites(guest);
                server.kill();
                server = VolumeProcess.start(volume, socket);
            }
            awaitMoreWrites(guest);
            server = killRightAfterAForkForACheckpoint(server, volume, socket);
            awaitMoreWrites(guest);
            ConsoleLine.Verdict verdict = guest.console().verify(SOON);
            assertThat(guest.console().faults()).isEmpty();
            assertThat(verdict.errors()).isZero();
        } finally {
            server.end();
        }
        String check = VolumeProcess.run("commit", volume.toString());
        assertThat(check).contains("2 layers");
    }

    /** Who was told that a file is frozen finds that it is. */
    private static VolumeProcess killRightAfterAForkForACheckpoint(
            VolumeProcess server, Path volume, Path socket) throws Exception {
        String active;
        try (ControlClient control = server.control()) {
            control.prepare(List.of(), OWNER);
            active = control.fork(List.of(), Optional.of(OWNER)).at("/forks/0/active").asText();
            server.kill();
        }
        VolumeProcess next = VolumeProcess.start(volume, socket);
        try (ControlClient control = next.control()) {
            JsonNode layers = control.status().at("/volumes/0/layers");
            assertThat(layers.get(layers.size() - 1).asText()).isEqualTo(active);
            control.unhold(List.of(), OWNER);
        }
        return next;
    }

    private static void awaitMoreWrites(TestGuest guest) {
        long before = guest.console().latestTick().map(ConsoleLine.Tick::diskWrites).orElse(0L);
        guest.console().awaitTick(it -> it.diskWrites() > before + SOME_WRITES, "writes", SOON);
    }
}
