package org.vmckpt.cow.volume;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What was answered outlives the process, with no flush. The files of the folder are put back as
 * they were while the volume was open, as the page cache has them when a process is killed.
 */
final class KilledProcessTest {
    private static final int SIZE = 8 << 20;
    private static final int BLOCK = 4096;

    @TempDir private Path folder;

    private VolumeFolder create() throws Exception {
        return VolumeCreator.create(
                folder.resolve("v"),
                Optional.empty(),
                Optional.empty(),
                OptionalLong.of(SIZE),
                16 << 10);
    }

    private static OpenVolume open(VolumeFolder volume) throws Exception {
        return OpenVolume.open(volume, Optional.empty());
    }

    @Test
    void whatWasNeverFlushedIsThere() throws Exception {
        VolumeFolder volume = create();
        byte[] model = new byte[SIZE];
        Arrays.fill(model, 100, 70_000, (byte) 5);
        OpenVolume first = open(volume);
        new VolumeClient(first.volume()).write(100, Arrays.copyOfRange(model, 100, 70_000));
        KilledVolume.kill(first);
        try (OpenVolume again = open(volume)) {
            assertThat(new VolumeClient(again.volume()).content()).isEqualTo(model);
        }
    }

    @Test
    void withoutTheLogItWouldBeLost() throws Exception {
        VolumeFolder volume = create();
        OpenVolume first = open(volume);
        new VolumeClient(first.volume()).write(0, new byte[] {1});
        KilledVolume.kill(first);
        Files.delete(volume.path().resolve("layer-0.qcow2.log"));
        try (OpenVolume again = open(volume)) {
            assertThat(new VolumeClient(again.volume()).read(0, 1)).containsExactly(0);
        }
    }

    @Test
    void atAnyMomentBetweenWritesZeroesFlushesAndForks() throws Exception {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        byte[] model = new byte[SIZE];
        VolumeFolder volume = create();
        for (int kill = 0; kill < 8; kill++) {
            OpenVolume open = open(volume);
            VolumeClient client = new VolumeClient(open.volume());
            assertThat(client.content()).as("seed %d, kill %d", seed, kill).isEqualTo(model);
            int steps = random.nextInt(150);
            for (int i = 0; i < steps; i++) {
                step(random, client, open, model);
            }
            KilledVolume.kill(open);
        }
    }

    private static void step(Random random, VolumeClient client, OpenVolume open, byte[] model)
            throws Exception {
        int at = random.nextInt(SIZE / BLOCK - 8) * BLOCK;
        int bytes = (1 + random.nextInt(8)) * BLOCK;
        int kind = random.nextInt(30);
        if (kind == 0) {
            open.volume().flush();
        } else if (kind < 5) {
            fork(random, open);
        } else if (kind < 10) {
            client.zero(at, bytes);
            Arrays.fill(model, at, at + bytes, (byte) 0);
        } else {
            write(random, client, model, at, bytes);
        }
    }

    /** A write may come between preparing, forking and recording, and so may the end. */
    private static void fork(Random random, OpenVolume open) throws Exception {
        switch (random.nextInt(4)) {
            case 0 -> open.prepare();
            case 1 -> open.record();
            case 2 -> open.fork(Optional.of("checkpoint-1"));
            default -> open.fork(Optional.empty());
        }
    }

    private static void write(Random random, VolumeClient client, byte[] model, int at, int bytes)
            throws IOException {
        byte[] data = new byte[bytes];
        random.nextBytes(data);
        client.write(at, data);
        System.arraycopy(data, 0, model, at, bytes);
    }
}
