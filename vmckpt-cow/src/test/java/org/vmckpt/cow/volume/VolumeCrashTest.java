package org.vmckpt.cow.volume;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.AnnotatedElementContext;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.io.TempDirFactory;
import org.vmckpt.cow.qcow2.SectorModel;

/**
 * Random requests, forks, holds and commits on random volumes whose process or host crashes again
 * and again, also in the middle of any of them, compared with a model. Runs for some seconds;
 * {@code -Dvmckpt.volume.seconds=N} for longer, {@code -Dvmckpt.volume.seed=N} for one seed again.
 */
final class VolumeCrashTest {
    private static final int SECONDS = Integer.getInteger("vmckpt.volume.seconds", 4);
    private static final int LARGEST_DISK_SECTORS = 2 << 10;
    private static final int MOST_STEPS = 50;

    /** Where a sync takes no time, if there is such a place. */
    @TempDir(factory = InMemory.class)
    private Path folder;

    @Test
    void nothingThatWasAnsweredIsUndone() throws Exception {
        long seed = Long.getLong("vmckpt.volume.seed", System.nanoTime());
        long end = System.nanoTime() + Duration.ofSeconds(SECONDS).toNanos();
        int crashes = 0;
        do {
            try {
                crashes += new Run(new Random(seed), folder.resolve("v" + seed)).run();
            } catch (Throwable e) {
                throw new AssertionError("-Dvmckpt.volume.seed=" + seed, e);
            }
            seed++;
        } while (System.nanoTime() < end && Long.getLong("vmckpt.volume.seed") == null);
        System.out.printf("last seed %d: %d crashes of volumes%n", seed - 1, crashes);
        assertThat(crashes).isPositive();
    }

    /** A folder on tmpfs. */
    static final class InMemory implements TempDirFactory {
        private static final Path TMPFS = Path.of("/dev/shm");

        @Override
        public Path createTempDirectory(AnnotatedElementContext element, ExtensionContext context)
                throws IOException {
            return Files.isWritable(TMPFS)
                    ? Files.createTempDirectory(TMPFS, "vmckpt")
                    : Files.createTempDirectory("vmckpt");
        }
    }

    /** What a frozen layer must say with those below. */
    private record Frozen(Path file, Path active, SectorModel model, boolean settled) {}

    /** One volume's life. */
    private static final class Run {
        private final Random random;
        private final SectorModel model;
        private final VolumeFolder made;
        private final CrashingFolder files;
        private final Map<String, Frozen> held = new HashMap<>();
        private Optional<Path> recorded = Optional.empty();
        private OpenVolume open;
        private VolumeClient client;
        private boolean isOpen;
        private int lastFirst;
        private int[] lastBefore = new int[0];
        private int lastValue = 1000;
        private int owners;

        Run(Random random, Path path) throws Exception {
            this.random = random;
            int sectors = 8 * (1 + random.nextInt(LARGEST_DISK_SECTORS / 8));
            model = new SectorModel(sectors);
            made =
                    VolumeCreator.create(
                            path,
                            Optional.empty(),
                            Optional.empty(),
                            OptionalLong.of((long) sectors * SectorModel.SECTOR_BYTES),
                            4096L << random.nextInt(5));
            files = new CrashingFolder(path, random);
            reopen();
        }

        private void reopen() throws Exception {
            open = OpenVolume.open(made, Optional.empty(), files);
            client = new VolumeClient(open.volume());
            isOpen = true;
        }

        private void close() throws Exception {
            if (isOpen) {
                isOpen = false;
                open.close();
            }
        }

        int run() throws Exception {
            int crashes = 1 + random.nextInt(8);
            for (int i = 0; i < crashes; i++) {
                int steps = random.nextInt(MOST_STEPS);
                boolean kill = random.nextBoolean();
                if (random.nextBoolean()) {
                    files.crashAfter(random.nextInt(1 + 4 * steps), kill);
                }
                lastBefore = new int[0];
                for (int step = 0; step < steps && !files.hasCrashed(); step++) {
                    lastBefore = new int[0];
                    step();
                }
                crash(kill);
            }
            close();
            return crashes;
        }

        private void step() throws Exception {
            int kind = random.nextInt(16);
            if (kind < 9 && kind != 6) {
                files.isSynced();
            }
            switch (kind) {
                case 0, 1 -> flush();
                case 2 -> open.prepare();
                case 3 -> forkForOwner();
                case 4, 5 -> fork();
                case 6 -> letGo();
                case 7 -> commit();
                case 8 -> restart();
                case 9, 10 -> assertReads();
                case 11 -> {
                    nextRequest(0);
                    client.zero(bytes(lastFirst), bytes(lastBefore.length));
                }
                default -> {
                    nextRequest(++lastValue);
                    ByteBuffer data = SectorModel.bytes(lastBefore.length, lastValue);
                    byte[] array = new byte[data.remaining()];
                    data.get(array);
                    client.write(bytes(lastFirst), array);
                }
            }
        }

        private static long bytes(int sectors) {
            return (long) sectors * SectorModel.SECTOR_BYTES;
        }

        private void nextRequest(int value) {
            lastFirst = random.nextInt(model.sectors());
            int count = 1 + random.nextInt(Math.min(100, model.sectors() - lastFirst));
            lastBefore = model.values(lastFirst, count);
            model.put(lastFirst, count, value);
        }

        private void flush() throws Exception {
            open.volume().flush();
            if (!files.hasCrashed()) {
                model.flush();
            }
        }

        private void forkForOwner() throws Exception {
            String owner = "checkpoint-" + owners++;
            if (random.nextBoolean()) {
                open.prepare(owner);
            }
            OpenVolume.ForkResult fork = open.fork(Optional.of(owner));
            boolean settled = random.nextBoolean() && open.settle(10_000);
            if (!files.hasCrashed()) {
                SectorModel now = new SectorModel(model.sectors());
                for (int i = 0; i < model.sectors(); i++) {
                    now.put(i, 1, model.values(i, 1)[0]);
                }
                held.put(owner, new Frozen(fork.frozen(), fork.active(), now, settled));
                if (settled) {
                    model.flush();
                }
            }
        }

        private void fork() throws Exception {
            OpenVolume.ForkResult fork = open.fork(Optional.empty());
            if (random.nextBoolean()) {
                files.isRenamed();
                open.record();
                recorded = files.hasCrashed() ? recorded : Optional.of(fork.active());
            }
        }

        private void commit() throws Exception {
            // It may fold that layer.
            recorded = Optional.empty();
            open.commit(Throttle.unlimited());
        }

        private void letGo() throws Exception {
            for (String owner : held.keySet()) {
                made.removeHolds(owner);
            }
            held.clear();
        }

        private void restart() throws Exception {
            close();
            if (!files.hasCrashed()) {
                model.flush();
                files.restart();
                recorded = Optional.empty();
                reopen();
            }
        }

        private void assertReads() throws Exception {
            model.assertReads(0, ByteBuffer.wrap(client.content()));
        }

        private void crash(boolean kill) throws Exception {
            if (!files.hasCrashed()) {
                lastBefore = new int[0];
            }
            files.crash(kill, this::close);
            reopen();
            ByteBuffer now = ByteBuffer.wrap(client.content());
            if (kill) {
                model.assertReadsAfterKill(now, lastFirst, lastBefore);
                recorded.ifPresent(active -> assertThat(open.files()).contains(active));
            } else {
                model.assertReadsAfterCrash(now);
                held.values().removeIf(it -> !it.settled());
            }
            recorded = Optional.empty();
            for (Frozen frozen : held.values()) {
                assertFrozen(frozen);
            }
        }

        private void assertFrozen(Frozen frozen) throws Exception {
            int number = open.files().indexOf(frozen.file());
            assertThat(number).as("%s", frozen).isBetween(0, open.files().size() - 2);
            ByteBuffer content = ByteBuffer.allocateDirect((int) bytes(model.sectors()));
            open.volume().layers().get(number).device().read(content, 0);
            frozen.model().assertReads(0, content.flip());
        }
    }
}
