package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.serving.ControlClient;
import org.vmckpt.testvm.ConsoleLine;
import org.vmckpt.testvm.Rate;
import org.vmckpt.testvm.TestGuest;
import org.vmckpt.testvm.VolumeProcess;
import org.vmckpt.testvm.Workload;

/** The process that commits is killed in the middle, while the guest writes: progress is kept. */
final class KilledCommitIT {
    private static final long MIB = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int KILLS = 2;
    private static final int SOME_WRITES = 800;
    private static final long SLOW_BYTES_PER_SECOND = 3 * MIB;

    @TempDir private Path folder;

    private long recorded() {
        Path record = folder.resolve("v/commit.json");
        try {
            return Files.exists(record)
                    ? Json.MAPPER.readTree(Files.readAllBytes(record)).path("bytes").asLong()
                    : 0;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private boolean hasPassed(long known) {
        long now = recorded();
        assertThat(now).as("what is recorded").isGreaterThanOrEqualTo(known);
        return now > known;
    }

    private static void commit(VolumeProcess server, long bytesPerSecond) {
        try (ControlClient control = server.control()) {
            control.commit(List.of(), bytesPerSecond);
        } catch (VmckptException e) {
            // It is killed.
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void whatWasFoldedIsNotFoldedAgainAndTheGuestSeesNothing() throws Exception {
        Path volume = folder.resolve("v");
        Path socket = folder.resolve("s");
        VolumeProcess.run("create", volume.toString(), "--size", "48M");
        VolumeProcess server = VolumeProcess.start(volume, socket);
        try (TestGuest guest =
                TestGuest.builder()
                        .memory(128 * MIB)
                        .vcpus(1)
                        .extraArguments(VolumeProcess.disk("v", socket))
                        .workload(Workload.idle(4 * MIB).disk(Rate.FLAT_OUT))
                        .start()) {
            guest.awaitBoot();
            fork(server);
            awaitMoreWrites(guest);
            fork(server);
            long layerBytes = Files.size(volume.resolve("layer-1.qcow2"));
            long before = 0;
            for (int i = 0; i < KILLS; i++) {
                VolumeProcess killed = server;
                CompletableFuture<Void> commit =
                        CompletableFuture.runAsync(() -> commit(killed, SLOW_BYTES_PER_SECOND));
                long known = before;
                Awaitility.await().atMost(SOON).until(() -> hasPassed(known));
                server.kill();
                commit.get();
                before = recorded();
                server = VolumeProcess.start(volume, socket);
            }
            try (ControlClient control = server.control()) {
                var answer = control.askCommit(List.of(), Long.MAX_VALUE);
                assertThat(answer.path("folded").asInt()).isEqualTo(1);
                assertThat(answer.path("copiedBytes").asLong())
                        .as("the rest of a layer of %d bytes", layerBytes)
                        .isLessThanOrEqualTo(48 * MIB - before);
            }
            assertThat(recorded()).isZero();
            ConsoleLine.Verdict verdict = guest.console().verify(SOON);
            assertThat(guest.console().faults()).isEmpty();
            assertThat(verdict.errors()).isZero();
        } finally {
            server.end();
        }
    }

    private static void fork(VolumeProcess server) throws Exception {
        try (ControlClient control = server.control()) {
            control.fork(List.of(), Optional.empty());
        }
    }

    private static void awaitMoreWrites(TestGuest guest) {
        long before = guest.console().latestTick().map(ConsoleLine.Tick::diskWrites).orElse(0L);
        guest.console().awaitTick(it -> it.diskWrites() > before + SOME_WRITES, "writes", SOON);
    }
}
