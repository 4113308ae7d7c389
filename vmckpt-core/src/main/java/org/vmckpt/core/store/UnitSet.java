package org.vmckpt.core.store;

/**
 * A set of unit numbers: one bit each, in chunks that are made when first needed, so that an empty
 * petabyte costs nothing and 64 GiB of pages cost 2 MiB. Not thread-safe.
 */
final class UnitSet {
    private static final int CHUNK_UNITS_SHIFT = 16;
    private static final int CHUNK_UNITS = 1 << CHUNK_UNITS_SHIFT;

    private final long unitCount;

    /** An element is null until a unit of it is added. */
    private final long[][] chunks;

    UnitSet(long unitCount) {
        this.unitCount = unitCount;
        this.chunks = new long[Math.toIntExact(Math.ceilDiv(unitCount, CHUNK_UNITS))][];
    }

    long unitCount() {
        return unitCount;
    }

    /** Adds a run; false, with nothing promised about the set, when one was in it already. */
    boolean addRun(long first, long count) {
        long unit = first;
        long end = first + count;
        while (unit < end) {
            int bits = (int) Math.min(Long.SIZE - (unit & (Long.SIZE - 1)), end - unit);
            long mask = (bits == Long.SIZE ? -1L : (1L << bits) - 1) << unit;
            long[] chunk = chunk(unit);
            int word = word(unit);
            if ((chunk[word] & mask) != 0) {
                return false;
            }
            chunk[word] |= mask;
            unit += bits;
        }
        return true;
    }

    /** The first unit at or after {@code from} that is in the set, or the unit count. */
    long nextIn(long from) {
        long unit = from;
        while (unit < unitCount) {
            long[] chunk = chunks[(int) (unit >>> CHUNK_UNITS_SHIFT)];
            if (chunk == null) {
                unit = (unit | (CHUNK_UNITS - 1)) + 1;
                continue;
            }
            long rest = chunk[word(unit)] >>> unit;
            if (rest != 0) {
                return unit + Long.numberOfTrailingZeros(rest);
            }
            unit = (unit | (Long.SIZE - 1)) + 1;
        }
        return unitCount;
    }

    /** The first unit at or after {@code from} that is not in the set, or the unit count. */
    long nextOut(long from) {
        long unit = from;
        while (unit < unitCount) {
            long[] chunk = chunks[(int) (unit >>> CHUNK_UNITS_SHIFT)];
            if (chunk == null) {
                return unit;
            }
            long rest = ~chunk[word(unit)] >>> unit;
            if (rest != 0) {
                return Math.min(unitCount, unit + Long.numberOfTrailingZeros(rest));
            }
            unit = (unit | (Long.SIZE - 1)) + 1;
        }
        return unitCount;
    }

    private long[] chunk(long unit) {
        int number = (int) (unit >>> CHUNK_UNITS_SHIFT);
        long[] chunk = chunks[number];
        if (chunk == null) {
            chunk = new long[CHUNK_UNITS / Long.SIZE];
            chunks[number] = chunk;
        }
        return chunk;
    }

    private static int word(long unit) {
        return (int) (unit & (CHUNK_UNITS - 1)) / Long.SIZE;
    }
}
