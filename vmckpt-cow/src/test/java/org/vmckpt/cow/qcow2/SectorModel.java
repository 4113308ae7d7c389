package org.vmckpt.cow.qcow2;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What a disk should hold. Each sector is filled with one number, zero for zeros; it is known what
 * it must read as now, and what it may read as after a crash.
 */
public final class SectorModel {
    public static final int SECTOR_BYTES = 512;

    private int[] now;
    private final List<Set<Integer>> afterCrash = new ArrayList<>();

    public SectorModel(int sectors) {
        now = new int[0];
        grow(sectors);
    }

    /** What is new is zeros, durably. */
    void grow(int sectors) {
        now = Arrays.copyOf(now, sectors);
        while (afterCrash.size() < sectors) {
            afterCrash.add(new HashSet<>(Set.of(0)));
        }
    }

    public int sectors() {
        return now.length;
    }

    public void put(int first, int count, int value) {
        for (int i = first; i < first + count; i++) {
            now[i] = value;
            afterCrash.get(i).add(value);
        }
    }

    /** All that was done so far is durable. */
    public void flush() {
        for (int i = 0; i < now.length; i++) {
            afterCrash.set(i, new HashSet<>(Set.of(now[i])));
        }
    }

    public static ByteBuffer bytes(int count, int value) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(count * SECTOR_BYTES);
        while (bytes.hasRemaining()) {
            bytes.putInt(value);
        }
        return bytes.flip();
    }

    public void assertReads(int first, ByteBuffer bytes) {
        for (int i = first; bytes.hasRemaining(); i++) {
            assertThat(valueOf(bytes)).as("sector %d", i).isEqualTo(now[i]);
        }
    }

    /** After a discard: zeros or what it was. From now on it is what it reads as. */
    void assertReadsZeroOrSame(int first, ByteBuffer bytes) {
        for (int i = first; bytes.hasRemaining(); i++) {
            int value = valueOf(bytes);
            assertThat(value).as("sector %d", i).isIn(0, now[i]);
            put(i, 1, value);
        }
    }

    /**
     * After the process was killed: all is there. Of its last request each sector was done or not.
     *
     * @param before what the sectors from {@code first} on held before that
     */
    public void assertReadsAfterKill(ByteBuffer bytes, int first, int[] before) {
        for (int i = 0; bytes.hasRemaining(); i++) {
            boolean undecided = i >= first && i < first + before.length;
            int other = undecided ? before[i - first] : now[i];
            int value = valueOf(bytes);
            assertThat(value).as("sector %d", i).isIn(now[i], other);
            now[i] = value;
        }
        flush();
    }

    /** After a request that failed: each sector is what it was, or as if it had not failed. */
    void assertReadsNowOr(int[] before, int first, ByteBuffer bytes) {
        for (int i = first; bytes.hasRemaining(); i++) {
            int value = valueOf(bytes);
            assertThat(value).as("sector %d", i).isIn(now[i], before[i - first]);
            put(i, 1, value);
        }
    }

    public int[] values(int first, int count) {
        return Arrays.copyOfRange(now, first, first + count);
    }

    /** After a crash, or a new disk: from now on it is durably what it reads as. */
    public void assertReadsAfterCrash(ByteBuffer bytes) {
        for (int i = 0; bytes.hasRemaining(); i++) {
            int value = valueOf(bytes);
            assertThat(value).as("sector %d", i).isIn(afterCrash.get(i));
            now[i] = value;
        }
        flush();
    }

    private static int valueOf(ByteBuffer bytes) {
        int value = bytes.getInt();
        for (int i = 1; i < SECTOR_BYTES / Integer.BYTES; i++) {
            int next = bytes.getInt();
            if (next != value) {
                return -1;
            }
        }
        return value;
    }

    byte[] content() {
        ByteBuffer content = ByteBuffer.allocate(now.length * SECTOR_BYTES);
        for (int value : now) {
            for (int i = 0; i < SECTOR_BYTES / Integer.BYTES; i++) {
                content.putInt(value);
            }
        }
        return content.array();
    }

    @Override
    public String toString() {
        return Arrays.toString(now);
    }
}
