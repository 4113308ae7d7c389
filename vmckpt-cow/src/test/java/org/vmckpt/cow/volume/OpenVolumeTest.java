package org.vmckpt.cow.volume;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;

final class OpenVolumeTest {
    private static final int SIZE = 4 << 20;
    private static final int CLUSTER = 64 << 10;

    @TempDir private Path folder;

    private VolumeFolder create() throws VmckptException {
        return VolumeCreator.create(
                folder.resolve("v"),
                Optional.empty(),
                Optional.empty(),
                OptionalLong.of(SIZE),
                CLUSTER);
    }

    private static OpenVolume open(VolumeFolder made) throws VmckptException {
        return OpenVolume.open(made, Optional.empty());
    }

    private static byte[] random(int bytes, long seed) {
        byte[] data = new byte[bytes];
        new Random(seed).nextBytes(data);
        return data;
    }

    @Test
    void whatWasWrittenIsThereAfterwards() throws Exception {
        VolumeFolder made = create();
        byte[] data = random(SIZE / 2, 1);
        try (OpenVolume open = open(made)) {
            new VolumeClient(open.volume()).write(1000, data);
        }
        try (OpenVolume open = open(made)) {
            assertThat(new VolumeClient(open.volume()).read(1000, data.length)).isEqualTo(data);
        }
    }

    @Test
    void aForkFreezesTheFileAndEverythingReadsTheSame() throws Exception {
        VolumeFolder made = create();
        byte[] before = random(SIZE, 2);
        byte[] after = random(CLUSTER / 2, 3);
        byte[] expected;
        try (OpenVolume open = open(made)) {
            VolumeClient client = new VolumeClient(open.volume());
            client.write(0, before);
            open.prepare();
            OpenVolume.ForkResult fork = open.fork(Optional.of("checkpoint-1"));
            assertThat(open.settle(1000)).isTrue();
            byte[] frozen = Files.readAllBytes(fork.frozen());
            client.write(5 * CLUSTER + 100, after);
            open.volume().flush();
            assertThat(Files.readAllBytes(fork.frozen())).isEqualTo(frozen);
            expected = before.clone();
            System.arraycopy(after, 0, expected, 5 * CLUSTER + 100, after.length);
            assertThat(client.content()).isEqualTo(expected);
            assertThat(open.files()).hasSize(2);
            assertThat(open.holds()).containsOnlyKeys("layer-0.qcow2");
        }
        try (OpenVolume open = open(made)) {
            assertThat(new VolumeClient(open.volume()).content()).isEqualTo(expected);
            assertThat(open.files()).hasSize(2);
        }
    }

    @Test
    void whatIsPreparedForACheckpointKeepsCommitsAway() throws Exception {
        VolumeFolder made = create();
        try (OpenVolume open = open(made)) {
            for (int i = 0; i < 3; i++) {
                new VolumeClient(open.volume()).write((long) i * CLUSTER, random(CLUSTER, i));
                open.fork(Optional.empty());
            }
            open.prepare("checkpoint-1");
            assertThat(open.commit(Throttle.unlimited())).isZero();
            assertThat(open.fork(Optional.of("checkpoint-1")).frozen())
                    .hasFileName("layer-3.qcow2");
            assertThat(open.commit(Throttle.unlimited())).isZero();
            made.removeHolds("checkpoint-1");
            assertThat(open.holds()).isEmpty();
            assertThat(open.commit(Throttle.unlimited())).isEqualTo(3);
        }
    }

    @Test
    void whatWasPreparedAndNeverUsedIsRemoved() throws Exception {
        VolumeFolder made = create();
        try (OpenVolume open = open(made)) {
            open.prepare();
            assertThat(made.path().resolve("layer-1.qcow2")).exists();
        }
        assertThat(made.path().resolve("layer-1.qcow2")).doesNotExist();
        // The same after a crash: the file is there and nobody lists it.
        Files.copy(made.path().resolve("layer-0.qcow2"), made.path().resolve("layer-7.qcow2"));
        try (OpenVolume open = open(made)) {
            assertThat(made.path().resolve("layer-7.qcow2")).doesNotExist();
            new VolumeClient(open.volume()).write(0, new byte[] {1});
        }
        Files.copy(made.path().resolve("layer-0.qcow2"), made.path().resolve("layer-7.qcow2"));
        try (OpenVolume open = open(made)) {
            assertThat(made.path().resolve("layer-7.qcow2")).as("it holds data").exists();
            open.prepare();
            assertThat(open.fork(Optional.empty()).active()).hasFileName("layer-8.qcow2");
        }
    }

    @Test
    void aVolumeHasOneUser() throws Exception {
        VolumeFolder made = create();
        try (OpenVolume open = open(made)) {
            assertThatThrownBy(() -> open(made))
                    .isInstanceOf(ConflictException.class)
                    .hasMessageContaining("in use by process " + ProcessHandle.current().pid());
            assertThat(made.owner()).isPresent();
            assertThat(open.files()).hasSize(1);
        }
        assertThat(made.owner()).isEmpty();
        open(made).close();
    }

    @Test
    void aBaseIsReadAndNeverWritten() throws Exception {
        Path base = folder.resolve("base.raw");
        byte[] content = random(SIZE, 4);
        Files.write(base, content);
        VolumeFolder made =
                VolumeCreator.create(
                        folder.resolve("v"),
                        Optional.of(base),
                        Optional.empty(),
                        OptionalLong.empty(),
                        CLUSTER);
        try (OpenVolume open = open(made)) {
            VolumeClient client = new VolumeClient(open.volume());
            assertThat(client.content()).isEqualTo(content);
            client.write(0, new byte[512]);
            open.fork(Optional.empty());
            open.fork(Optional.empty());
            assertThat(open.commit(Throttle.unlimited())).isEqualTo(1);
            assertThat(client.read(512, 512)).isEqualTo(Arrays.copyOfRange(content, 512, 1024));
        }
        assertThat(Files.readAllBytes(base)).isEqualTo(content);
    }

    @Test
    void mistakesAreToldAndLeaveNothing() throws Exception {
        Path path = folder.resolve("v");
        assertThatThrownBy(() ->
                        VolumeCreator.create(
                                path,
                                Optional.empty(),
                                Optional.empty(),
                                OptionalLong.empty(),
                                CLUSTER))
                .isInstanceOf(RefusedException.class);
        assertThat(path).doesNotExist();
        assertThatThrownBy(() ->
                        VolumeCreator.create(
                                path,
                                Optional.empty(),
                                Optional.empty(),
                                OptionalLong.of(SIZE),
                                3000))
                .isInstanceOf(RefusedException.class);
        assertThatThrownBy(() -> VolumeFolder.of(path)).isInstanceOf(NotFoundException.class);
        VolumeFolder made = create();
        assertThatThrownBy(this::create).isInstanceOf(ConflictException.class);
        for (String damage :
                List.of("{", "{}", "[]", "{\"format\":\"vmckpt-volume\",\"version\":1}")) {
            Files.writeString(made.path().resolve("volume.json"), damage);
            assertThatThrownBy(() -> open(made)).isInstanceOf(CorruptException.class);
        }
    }
}
