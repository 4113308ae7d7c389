package org.vmckpt.cow.volume;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
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
import org.vmckpt.core.UnsupportedException;

final class ReplayTest {
    private static final int SIZE = 2 << 20;

    @TempDir private Path folder;

    private static Replay.Report replay(Path target, List<Path> layers) throws Exception {
        return Replay.apply(target, Optional.empty(), layers, Optional.empty());
    }

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
            Replay.Report report = replay(copy, frozen);
            assertThat(report.checksum()).isEqualTo(sum);
            assertThat(replay(copy, frozen).checksum()).as("done again").isEqualTo(sum);
            assertThat(replay(copy, frozen.subList(0, 1)).checksum()).isNotEqualTo(sum);
            replay(copy, frozen);
        }
        assertThat(Files.readAllBytes(copy)).isEqualTo(expected);
    }

    @Test
    void onlyCowFilesAreApplied() throws Exception {
        Path raw = folder.resolve("raw");
        Files.write(raw, new byte[512]);
        assertThatThrownBy(() -> replay(raw, List.of(raw)))
                .isInstanceOf(UnsupportedException.class);
    }

    /** Three frozen files over a base, and a copy of that base which must not be changed. */
    private List<Path> freezeThree(Path base) throws Exception {
        VolumeFolder made =
                VolumeCreator.create(
                        folder.resolve("v"),
                        Optional.of(base),
                        Optional.of("raw"),
                        OptionalLong.empty(),
                        4096);
        List<Path> frozen = new ArrayList<>();
        try (OpenVolume open = OpenVolume.open(made, Optional.empty())) {
            for (int i = 0; i < 3; i++) {
                new VolumeClient(open.volume()).write(i * 70_000L, new byte[] {(byte) (i + 1)});
                frozen.add(open.fork(Optional.empty()).frozen());
            }
        }
        return frozen;
    }

    private Path base() throws Exception {
        Path base = folder.resolve("base.raw");
        byte[] content = new byte[SIZE];
        new Random(2).nextBytes(content);
        Files.write(base, content);
        return base;
    }

    private void assertRefused(List<Path> layers, Class<? extends Exception> kind, String message)
            throws Exception {
        Path copy = folder.resolve("copy.raw");
        byte[] before = Files.readAllBytes(folder.resolve("base.raw"));
        Files.write(copy, before);
        assertThatThrownBy(() -> replay(copy, layers))
                .isInstanceOf(kind)
                .hasMessageContaining(message);
        assertThat(Files.readAllBytes(copy)).as("the copy").isEqualTo(before);
    }

    @Test
    void aMissingFileAndAWrongOrderAreRefusedBeforeAnythingIsWritten() throws Exception {
        List<Path> frozen = freezeThree(base());
        assertRefused(
                List.of(frozen.get(0), frozen.get(2)), RefusedException.class, "a file is missing");
        assertRefused(frozen.reversed(), RefusedException.class, "oldest first");
        Files.delete(frozen.get(1));
        assertRefused(frozen, NotFoundException.class, frozen.get(1).toString());
    }

    @Test
    void aDamagedOrTruncatedFileIsRefusedBeforeAnythingIsWritten() throws Exception {
        List<Path> frozen = freezeThree(base());
        byte[] sound = Files.readAllBytes(frozen.get(2));
        Files.write(frozen.get(2), Arrays.copyOf(sound, sound.length - 4096));
        assertRefused(frozen, CorruptException.class, frozen.get(2).toString());
        byte[] damaged = sound.clone();
        Arrays.fill(damaged, 40, 48, (byte) 0x77);
        Files.write(frozen.get(2), damaged);
        assertRefused(frozen, CorruptException.class, frozen.get(2).toString());
    }

    @Test
    void aWrongBaseIsRefusedIfItsChecksumIsKnown() throws Exception {
        Path base = base();
        List<Path> frozen = freezeThree(base);
        String checksum =
                Replay.apply(base, Optional.of("raw"), List.of(), Optional.empty()).checksum();
        Path copy = folder.resolve("copy.raw");
        Files.copy(base, copy);
        try (var other = new RandomAccessFile(copy.toFile(), "rw")) {
            other.seek(SIZE - 1);
            other.write(other.read() + 1);
        }
        byte[] wrong = Files.readAllBytes(copy);
        assertThatThrownBy(
                        () -> Replay.apply(copy, Optional.of("raw"), frozen, Optional.of(checksum)))
                .isInstanceOf(RefusedException.class)
                .hasMessageContaining("no copy of the disk");
        assertThat(Files.readAllBytes(copy)).isEqualTo(wrong);
        Files.copy(base, copy, StandardCopyOption.REPLACE_EXISTING);
        assertThat(Replay.apply(copy, Optional.of("raw"), frozen, Optional.of(checksum)).layers())
                .isEqualTo(3);
    }
}
