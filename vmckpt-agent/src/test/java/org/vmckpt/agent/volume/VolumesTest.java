package org.vmckpt.agent.volume;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vmckpt.agent.config.AgentConfig;
import org.vmckpt.agent.config.ConfigReader;
import org.vmckpt.agent.job.Job;
import org.vmckpt.agent.job.JobState;
import org.vmckpt.agent.job.Jobs;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.cow.serving.DetachedServer;
import org.vmckpt.cow.volume.VolumeCreator;

/** Volumes are served while the agent lives, and go on being served when it does not. */
@Timeout(180)
class VolumesTest {
    private static final Duration SOON = Duration.ofSeconds(60);

    private Path folder;
    private final Jobs jobs = new Jobs(2, 10);

    @BeforeEach
    void make() throws Exception {
        // Short, for sockets lie in it.
        folder = Files.createTempDirectory("vols");
        VolumeCreator.create(
                folder.resolve("disk"),
                Optional.empty(),
                Optional.empty(),
                OptionalLong.of(16 << 20),
                64 << 10);
    }

    @AfterEach
    void endServers() throws Exception {
        jobs.close();
        DetachedServer.killIn(folder);
    }

    private AgentConfig config() throws Exception {
        return ConfigReader.read(
                Files.write(
                        folder.resolve("agent.yaml"),
                        List.of(
                                "volumes:",
                                "  d: {folder: "
                                        + folder.resolve("disk")
                                        + ", socket: "
                                        + folder.resolve("disk.nbd")
                                        + "}",
                                "  gone: {folder: "
                                        + folder.resolve("gone")
                                        + ", socket: "
                                        + folder.resolve("gone.nbd")
                                        + "}")));
    }

    private static long server(Volumes volumes) throws Exception {
        await().atMost(SOON).until(() -> volumes.find("d").server().isPresent());
        return volumes.find("d").server().orElseThrow();
    }

    @Test
    void aKilledServerIsReplacedAndOneOutlivesTheAgent() throws Exception {
        long second;
        try (Volumes volumes = Volumes.start(config(), jobs)) {
            long first = server(volumes);
            ProcessHandle.of(first).orElseThrow().destroyForcibly();
            await().atMost(SOON).until(() -> server(volumes) != first);
            second = server(volumes);
            await().atMost(SOON).until(() -> volumes.find("d").problem().isEmpty());
            assertThat(volumes.find("gone").problem().orElseThrow()).contains("holds no volume");
        }
        assertThat(ProcessHandle.of(second)).isPresent();
        try (Volumes next = Volumes.start(config(), jobs)) {
            assertThat(server(next)).isEqualTo(second);
        }
    }

    @Test
    void itIsForkedAndFoldedByItsServer() throws Exception {
        try (Volumes volumes = Volumes.start(config(), jobs)) {
            server(volumes);
            await().atMost(SOON)
                    .ignoreExceptions()
                    .until(() -> volumes.fork("d", Optional.of("me")).has("frozen"));
            assertThat(volumes.find("d").layers()).hasSize(2);
            assertThat(volumes.find("d").layers().getFirst().heldBy()).containsExactly("me");
            Job kept = volumes.commit("d", Optional.empty(), Long.MAX_VALUE);
            await().atMost(SOON).until(() -> kept.state() == JobState.DONE);
            assertThat(volumes.find("d").layers()).hasSize(2);
            volumes.fork("d", Optional.empty());
            Job folded = volumes.commit("d", Optional.of("me"), Long.MAX_VALUE);
            await().atMost(SOON).until(() -> folded.state() == JobState.DONE);
            assertThat(volumes.find("d").layers()).hasSize(2);
            assertThatExceptionOfType(NotFoundException.class)
                    .isThrownBy(() -> volumes.fork("../disk", Optional.empty()))
                    .withMessageContaining("[d, gone]");
        }
    }
}
