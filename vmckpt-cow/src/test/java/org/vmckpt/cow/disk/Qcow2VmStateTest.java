package org.vmckpt.cow.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.UnsupportedException;

/**
 * Small clusters, so that the state takes two second-level tables. Damage is noticed, or does not
 * matter: never is another state read for it.
 */
class Qcow2VmStateTest {
    private static final int CLUSTER = 512;
    private static final int REFCOUNT_TABLE = CLUSTER;
    private static final int REFCOUNT_BLOCK = 2 * CLUSTER;
    private static final int L1 = 3 * CLUSTER;
    private static final int L2 = 4 * CLUSTER;
    private static final int SNAPSHOT = 5 * CLUSTER;
    private static final int SNAPSHOT_L1 = 6 * CLUSTER;
    private static final int FIRST_L2 = 7 * CLUSTER;
    private static final int SECOND_L2 = 8 * CLUSTER;
    private static final int STATE = 9 * CLUSTER;
    private static final int DISK_BYTES = CLUSTER / 8 * CLUSTER;
    private static final int STATE_CLUSTERS = 66;
    private static final int STATE_BYTES = STATE_CLUSTERS * CLUSTER - 100;

    /** Allocated beforehand, and not needed for this state. */
    private static final int SPARE = STATE + STATE_CLUSTERS * CLUSTER;

    @TempDir Path folder;
    private Path image;
    private final byte[] state = new byte[STATE_BYTES];

    @BeforeEach
    void makeImage() throws Exception {
        new Random(1).nextBytes(state);
        ByteBuffer bytes = ByteBuffer.allocate(SPARE + CLUSTER);
        bytes.putInt(0, 0x514649fb).putInt(4, 3).putInt(20, 9).putLong(24, DISK_BYTES);
        bytes.putInt(36, 3).putLong(40, L1).putLong(48, REFCOUNT_TABLE).putInt(56, 1);
        bytes.putInt(60, 1).putLong(64, SNAPSHOT).putInt(96, 4).putInt(100, 104);
        bytes.putLong(REFCOUNT_TABLE, REFCOUNT_BLOCK).putLong(L1 + 8, L2 | 1L << 63);
        bytes.putLong(SNAPSHOT, SNAPSHOT_L1).putInt(SNAPSHOT + 8, 3);
        bytes.putInt(SNAPSHOT + 32, STATE_BYTES).putInt(SNAPSHOT + 36, 24);
        bytes.putLong(SNAPSHOT + 40, STATE_BYTES).putLong(SNAPSHOT + 48, DISK_BYTES);
        bytes.putLong(SNAPSHOT_L1 + 8, FIRST_L2 | 1L << 63).putLong(SNAPSHOT_L1 + 16, SECOND_L2);
        for (int i = 0; i < STATE_CLUSTERS; i++) {
            // Last to first, so that order matters.
            int at = SPARE - (i + 1) * CLUSTER;
            bytes.putLong(FIRST_L2 + 8 * i, at);
            bytes.put(at, state, i * CLUSTER, Math.min(CLUSTER, STATE_BYTES - i * CLUSTER));
        }
        bytes.putLong(FIRST_L2 + 8 * STATE_CLUSTERS, SPARE);
        image = Files.write(folder.resolve("state.qcow2"), bytes.array());
    }

    private byte[] read(int limitBytes) throws Exception {
        try (ImageFile file = ImageFile.open(image)) {
            return Qcow2VmState.read(file, limitBytes);
        }
    }

    @Test
    void stateIsReadInItsOrder() throws Exception {
        assertThat(read(STATE_BYTES)).isEqualTo(state);
    }

    @Test
    void stateAboveTheLimitIsRefused() {
        assertThatThrownBy(() -> read(STATE_BYTES - 1))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining(STATE_BYTES + " bytes");
    }

    @ParameterizedTest
    @CsvSource({
        "0, 120",
        REFCOUNT_TABLE + ", 16",
        L1 + ", 24",
        SNAPSHOT + ", 72",
        SNAPSHOT_L1 + ", 24",
        FIRST_L2 + ", 512",
        SECOND_L2 + ", 24"
    })
    void everyFlippedBitIsNoticedOrDoesNotMatter(int from, int count) throws Exception {
        try (DamagedState damaged = new DamagedState(image)) {
            assertThat(damaged.flipEveryBit(from, count)).isPositive();
        }
    }

    @Test
    void everyFlippedBitOfAnEntryThatLeadsToTheStateIsNoticed() throws Exception {
        try (DamagedState damaged = new DamagedState(image)) {
            int withoutCopiedFlag = Long.SIZE - 1;
            assertThat(damaged.flipEveryBit(SNAPSHOT_L1 + 8, 8)).isEqualTo(withoutCopiedFlag);
            assertThat(damaged.flipEveryBit(FIRST_L2, 512)).isEqualTo(64 * withoutCopiedFlag);
        }
    }

    @ParameterizedTest
    @CsvSource({
        SNAPSHOT_L1 + ", a cluster of its own",
        SNAPSHOT + ", a cluster of its own",
        FIRST_L2 + ", a cluster of its own",
        REFCOUNT_BLOCK + ", a cluster of its own",
        L2 + ", a cluster of its own",
        STATE + ", a cluster of its own",
        SPARE + ", a cluster of its own",
        "0, a cluster of its own",
        "513, leads to a cluster",
        "0x4000000000001200, leads to a cluster",
        "0x00fffffffffffe00, inside the file"
    })
    void entryOfTheStateThatLeadsElsewhereIsCorrupt(String entry, String message) throws Exception {
        byte[] bytes = ByteBuffer.allocate(8).putLong(Long.decode(entry)).array();
        byte[] broken = Files.readAllBytes(image);
        System.arraycopy(bytes, 0, broken, FIRST_L2, 8);
        Files.write(image, broken);
        assertThatThrownBy(() -> read(STATE_BYTES))
                .isInstanceOf(CorruptException.class)
                .hasMessageContaining(message);
    }

    @Test
    void cutFilesAreNoticed() throws Exception {
        try (DamagedState damaged = new DamagedState(image)) {
            for (long cut = SPARE; cut >= 0; cut -= 61) {
                assertThat(damaged.isNoticedWhenCutTo(cut)).as("cut to %d", cut).isTrue();
            }
        }
    }

    @Test
    void randomDamageIsNoticedOrDoesNotMatter() throws Exception {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        int noticed = 0;
        try (DamagedState damaged = new DamagedState(image)) {
            for (int round = 0; round < 1000; round++) {
                byte[] noise = new byte[1 + random.nextInt(round % 2 == 0 ? 8 : CLUSTER)];
                random.nextBytes(noise);
                int at = random.nextInt(STATE - noise.length);
                String what = "seed %d, round %d, byte %d".formatted(seed, round, at);
                noticed += damaged.isNoticed(at, noise, what) ? 1 : 0;
            }
        }
        System.out.printf("seed %d: %d of 1000 damages noticed%n", seed, noticed);
        assertThat(noticed).isPositive();
    }
}
