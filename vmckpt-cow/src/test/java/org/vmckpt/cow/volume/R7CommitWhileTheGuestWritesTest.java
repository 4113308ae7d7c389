package org.vmckpt.cow.volume;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.VmckptException;

/** R7: a COW file is committed while the guest writes to a newer one. */
final class R7CommitWhileTheGuestWritesTest {
    private static final int SIZE = 8 << 20;
    private static final int BLOCK = 4096;

    @TempDir private Path folder;

    private VolumeFolder made;

    @BeforeEach
    void create() throws Exception {
        made =
                VolumeCreator.create(
                        folder.resolve("v"),
                        Optional.empty(),
                        Optional.empty(),
                        OptionalLong.of(SIZE),
                        16 << 10);
    }

    private OpenVolume open() throws Exception {
        return OpenVolume.open(made, Optional.empty());
    }

    /** A guest that writes and checks at random until it is told to end. */
    private static byte[] live(Volume volume, byte[] model, AtomicBoolean end, long seed) {
        Random random = new Random(seed);
        VolumeClient client = new VolumeClient(volume);
        try {
            while (!end.get()) {
                int at = random.nextInt(SIZE / BLOCK) * BLOCK;
                int kind = random.nextInt(10);
                if (kind == 0) {
                    client.zero(at, BLOCK);
                    Arrays.fill(model, at, at + BLOCK, (byte) 0);
                } else if (kind < 6) {
                    byte[] data = new byte[BLOCK];
                    random.nextBytes(data);
                    client.write(at, data);
                    System.arraycopy(data, 0, model, at, BLOCK);
                } else {
                    assertThat(client.read(at, BLOCK))
                            .as("seed %d, block at %d", seed, at)
                            .isEqualTo(Arrays.copyOfRange(model, at, at + BLOCK));
                }
            }
            return model;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void forksAndCommitsUnderLoadChangeNothingThatTheGuestReads() throws Exception {
        long seed = System.nanoTime();
        byte[] model = new byte[SIZE];
        try (OpenVolume open = open()) {
            AtomicBoolean end = new AtomicBoolean();
            CompletableFuture<byte[]> guest =
                    CompletableFuture.supplyAsync(() -> live(open.volume(), model, end, seed));
            int folded = 0;
            for (int i = 0; i < 6; i++) {
                open.prepare();
                open.fork(Optional.empty());
                Thread.sleep(30);
                folded += open.commit(Throttle.unlimited());
            }
            end.set(true);
            guest.get();
            assertThat(folded).isGreaterThan(3);
            assertThat(open.files().size()).isLessThanOrEqualTo(2);
            assertThat(new VolumeClient(open.volume()).content()).isEqualTo(model);
        }
        try (OpenVolume again = open()) {
            assertThat(new VolumeClient(again.volume()).content()).isEqualTo(model);
        }
    }

    @Test
    void afterARestartFrozenLayersAreFoldedToo() throws Exception {
        byte[] model = new byte[SIZE];
        try (OpenVolume open = open()) {
            VolumeClient client = new VolumeClient(open.volume());
            for (int i = 1; i <= 3; i++) {
                Arrays.fill(model, i * BLOCK, (i + 2) * BLOCK, (byte) i);
                client.write(
                        (long) i * BLOCK, Arrays.copyOfRange(model, i * BLOCK, (i + 2) * BLOCK));
                open.fork(Optional.empty());
            }
        }
        try (OpenVolume open = open()) {
            assertThat(open.commit(Throttle.unlimited())).isEqualTo(2);
            assertThat(open.files()).hasSize(2);
            assertThat(new VolumeClient(open.volume()).content()).isEqualTo(model);
        }
        try (OpenVolume again = open()) {
            assertThat(new VolumeClient(again.volume()).content()).isEqualTo(model);
        }
    }

    @Test
    void whatACheckpointHoldsIsNeitherWrittenNorFolded() throws Exception {
        try (OpenVolume open = open()) {
            VolumeClient client = new VolumeClient(open.volume());
            for (int i = 0; i < 4; i++) {
                client.write(0, new byte[] {(byte) i});
                open.fork(i == 1 ? Optional.of("ckpt") : Optional.empty());
            }
            assertThat(open.commit(Throttle.unlimited())).as("2 and 3").isEqualTo(1);
            assertThat(open.files())
                    .extracting(it -> it.getFileName().toString())
                    .containsExactly(
                            "layer-0.qcow2", "layer-1.qcow2", "layer-2.qcow2", "layer-4.qcow2");
            assertThat(open.folder().removeHolds("ckpt")).isEqualTo(1);
            assertThat(open.commit(Throttle.unlimited())).isEqualTo(2);
            assertThat(client.read(0, 1)).containsExactly(3);
        }
    }

    @Test
    void aForkForACheckpointEndsACommit() throws Exception {
        try (OpenVolume open = open()) {
            VolumeClient client = new VolumeClient(open.volume());
            byte[] model = new byte[SIZE];
            new Random(7).nextBytes(model);
            open.fork(Optional.empty());
            client.write(0, model);
            open.fork(Optional.empty());
            open.prepare();
            Throttle slow = new Throttle(4 << 20);
            CompletableFuture<Integer> commit =
                    CompletableFuture.supplyAsync(() -> {
                        try {
                            return open.commit(slow);
                        } catch (VmckptException e) {
                            throw new AssertionError(e);
                        }
                    });
            Thread.sleep(100);
            open.fork(Optional.of("ckpt"));
            assertThat(open.settle(10_000)).isTrue();
            assertThat(commit.get()).isZero();
            assertThat(open.files()).hasSize(4);
            assertThat(client.content()).isEqualTo(model);
        }
    }

    /** A volume with a frozen layer full of data on another frozen one. */
    private byte[] freezeTwice(OpenVolume open) throws Exception {
        byte[] model = new byte[SIZE];
        new Random(8).nextBytes(model);
        open.fork(Optional.empty());
        new VolumeClient(open.volume()).write(0, model);
        open.fork(Optional.empty());
        return model;
    }

    /** Begins a commit and has it end after some pieces; returns how much it has copied. */
    private static long commitSome(OpenVolume open) throws Exception {
        Throttle slow = new Throttle(4 << 20);
        CompletableFuture<Integer> commit =
                CompletableFuture.supplyAsync(() -> {
                    try {
                        return open.commit(slow);
                    } catch (VmckptException e) {
                        throw new AssertionError(e);
                    }
                });
        while (slow.passedBytes() == 0 && !commit.isDone()) {
            Thread.sleep(1);
        }
        slow.end();
        assertThat(commit.get()).isZero();
        return slow.passedBytes();
    }

    @Test
    void aCommitGoesOnWhereAnotherEnded() throws Exception {
        byte[] model;
        long copied;
        try (OpenVolume open = open()) {
            model = freezeTwice(open);
            copied = commitSome(open);
        }
        try (OpenVolume open = open()) {
            Throttle rest = Throttle.unlimited();
            assertThat(open.commit(rest)).isEqualTo(1);
            assertThat(rest.passedBytes())
                    .isLessThan(SIZE)
                    .isBetween(SIZE - copied, SIZE - copied + PieceCopy.PIECE_BYTES);
            assertThat(new VolumeClient(open.volume()).content()).isEqualTo(model);
            assertThat(made.path().resolve("commit.json")).doesNotExist();
        }
    }

    @Test
    void aRecordOfOtherFilesCountsNothing() throws Exception {
        byte[] model;
        try (OpenVolume open = open()) {
            model = freezeTwice(open);
            commitSome(open);
        }
        Path parent = made.path().resolve("layer-0.qcow2");
        Path copy = folder.resolve("copy");
        Files.copy(parent, copy);
        Files.move(copy, parent, StandardCopyOption.REPLACE_EXISTING);
        try (OpenVolume open = open()) {
            Throttle all = Throttle.unlimited();
            assertThat(open.commit(all)).isEqualTo(1);
            assertThat(all.passedBytes()).isEqualTo(SIZE);
            assertThat(new VolumeClient(open.volume()).content()).isEqualTo(model);
        }
    }

    @Test
    void aDamagedRecordCountsNothing() throws Exception {
        byte[] model;
        try (OpenVolume open = open()) {
            model = freezeTwice(open);
            commitSome(open);
        }
        Path record = made.path().resolve("commit.json");
        String sound = Files.readString(record);
        String farther = sound.replaceFirst("\"bytes\":[0-9]+", "\"bytes\":" + SIZE);
        assertThat(farther).isNotEqualTo(sound);
        for (String damage : List.of("", "{", "[]", "{\"bytes\":7}", farther)) {
            Files.writeString(record, damage);
            try (OpenVolume open = open()) {
                assertThat(commitSome(open)).isPositive();
                assertThat(new VolumeClient(open.volume()).content()).isEqualTo(model);
            }
        }
    }
}
