package org.vmckpt.core.store;

import java.util.Arrays;

/**
 * Says of each unit whether it is absent, zero, or in which block: four bytes per unit, in chunks
 * that are made when first needed. Chunks of only zeros are shared, so large holes cost nothing.
 */
final class UnitMap {
    static final int ABSENT = -1;
    static final int ZERO = -2;

    private static final int CHUNK_UNITS_SHIFT = 12;
    private static final int CHUNK_UNITS = 1 << CHUNK_UNITS_SHIFT;
    private static final int[] ALL_ZERO = new int[CHUNK_UNITS];

    static {
        Arrays.fill(ALL_ZERO, ZERO);
    }

    private final long unitCount;

    /** An element is null until a unit of it is set. */
    private final int[][] chunks;

    UnitMap(long unitCount) {
        this.unitCount = unitCount;
        this.chunks = new int[Math.toIntExact(Math.ceilDiv(unitCount, CHUNK_UNITS))][];
    }

    /** A block number, ABSENT or ZERO. */
    int get(long unit) {
        if (unit < 0 || unit >= unitCount) {
            throw new IllegalArgumentException("unit " + unit + " of " + unitCount);
        }
        int[] chunk = chunks[(int) (unit >>> CHUNK_UNITS_SHIFT)];
        return chunk == null ? ABSENT : chunk[(int) unit & (CHUNK_UNITS - 1)];
    }

    /** The end of the unit's chunk when that is all absent or all zero, else the unit itself. */
    @SuppressWarnings("ReferenceEquality") // that the shared chunk is meant, not an equal one
    long withoutDataUntil(long unit) {
        int[] chunk = chunks[(int) (unit >>> CHUNK_UNITS_SHIFT)];
        return chunk == null || chunk == ALL_ZERO ? (unit | (CHUNK_UNITS - 1)) + 1 : unit;
    }

    /** Sets a run inside the map to one value; false when a unit of it was set already. */
    boolean setRun(long first, long count, int value) {
        long unit = first;
        long end = first + count;
        while (unit < end) {
            int from = (int) unit & (CHUNK_UNITS - 1);
            int length = (int) Math.min(CHUNK_UNITS - from, end - unit);
            if (!setInChunk((int) (unit >>> CHUNK_UNITS_SHIFT), from, length, value)) {
                return false;
            }
            unit += length;
        }
        return true;
    }

    private boolean setInChunk(int number, int from, int length, int value) {
        int[] chunk = chunks[number];
        if (chunk == null) {
            if (length == CHUNK_UNITS && value == ZERO) {
                chunks[number] = ALL_ZERO;
                return true;
            }
            chunk = new int[CHUNK_UNITS];
            Arrays.fill(chunk, ABSENT);
            chunks[number] = chunk;
        }
        for (int i = from; i < from + length; i++) {
            if (chunk[i] != ABSENT) {
                return false;
            }
            chunk[i] = value;
        }
        return true;
    }
}
