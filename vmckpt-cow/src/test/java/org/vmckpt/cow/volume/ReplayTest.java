package org.vmckpt.cow.volume;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.UnsupportedException;

final class ReplayTest {
    private static final int SIZE = 2 << 20;

    @TempDir private Path folder;

    @Test
    void theCopyEqualsTheVolumeAndTheChecksumSaysSo() throws Exception {
        Path base = folder.resolve("base.raw");
        byte[] content = new byte[SIZE];
        new Random(1).nextBytes(content);
        Files.write(base, content);
        Path copy = folder.resolve("copy.raw");
        Files.copy(base, copy);
        VolumeFolder made =
                VolumeCreator.create(
                        folder.resolve("v"),
                        Optional.of(base),
                        Optional.empty(),
                        OptionalLong.empty(),
                        4096);
        List<Path> frozen = new ArrayList<>();
        byte[] expected;
        try (OpenVolume open = OpenVolume.open(made, Optional.empty())) {
            VolumeClient client = new VolumeClient(open.volume());
            for (int i = 0; i < 3; i++) {
                client.write(i * 70_000L, new byte[] {(byte) i, 2, 3});
                client.zero(1_000_000L + i * 10_000L, 9_000);
                frozen.add(open.fork(Optional.empty()).frozen());
            }
            expected = client.content();
            assertThat(open.settle(10_000)).isTrue();
            client.write(0, new byte[4096]);
            assertThatThrownBy(() -> VolumeInfo.checksum(made, Optional.empty()))
                    .isInstanceOf(ConflictException.class);
            String sum = VolumeInfo.checksum(made, Optional.of("layer-2.qcow2"));
            Replay.Report report = Replay.apply(copy, Optional.empty(), frozen);
            assertThat(report.checksum()).isEqualTo(sum);
            assertThat(Replay.apply(copy, Optional.empty(), frozen).checksum())
                    .as("done again")
                    .isEqualTo(sum);
            assertThat(Replay.apply(copy, Optional.empty(), frozen.subList(0, 1)).checksum())
                    .isNotEqualTo(sum);
            Replay.apply(copy, Optional.empty(), frozen);
        }
        assertThat(Files.readAllBytes(copy)).isEqualTo(expected);
    }

    @Test
    void onlyCowFilesAreApplied() throws Exception {
        Path raw = folder.resolve("raw");
        Files.write(raw, new byte[512]);
        assertThatThrownBy(() -> Replay.apply(raw, Optional.empty(), List.of(raw)))
                .isInstanceOf(UnsupportedException.class);
    }
}
