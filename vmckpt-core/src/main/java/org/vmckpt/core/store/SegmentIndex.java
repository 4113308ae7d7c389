package org.vmckpt.core.store;

import java.util.Arrays;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.VmckptException;

/**
 * The parsed index of a segment: for each block its place in the file and its record, for each unit
 * its state. Costs the index itself, 12 bytes per block and 4 per unit.
 */
final class SegmentIndex {
    private final byte[] bytes;
    private final UnitMap map;
    private int blockCount;
    private int[] recordOffsets;
    private long[] fileOffsets;
    private int zeroRunsOffset;

    private SegmentIndex(byte[] bytes, SegmentHeader header) {
        this.bytes = bytes;
        this.map = new UnitMap(header.unitCount());
        this.recordOffsets = new int[0];
        this.fileOffsets = new long[1];
    }

    /**
     * Parses an index whose digest was found right. It is still not trusted: whoever made it may
     * have computed the digest over nonsense.
     */
    static SegmentIndex parse(byte[] bytes, SegmentHeader header, long indexOffset, String segment)
            throws CorruptException {
        SegmentIndex index = new SegmentIndex(bytes, header);
        IndexCursor cursor = new IndexCursor(bytes, 0, segment);
        index.parseBlocks(cursor, header);
        if (index.fileOffsets[index.blockCount] != indexOffset) {
            throw cursor.damage("its blocks do not end where it begins");
        }
        index.zeroRunsOffset = cursor.position();
        index.parseZeroRuns(cursor, header);
        cursor.expectEnd();
        return index;
    }

    private void parseBlocks(IndexCursor cursor, SegmentHeader header) throws CorruptException {
        // A record takes at least 36 bytes, which bounds the arrays by the size of the file.
        blockCount = cursor.count(bytes.length / IndexCursor.MIN_BLOCK_RECORD_BYTES, "blocks");
        recordOffsets = new int[blockCount];
        fileOffsets = new long[blockCount + 1];
        fileOffsets[0] = SegmentFormat.HEADER_BYTES;
        BlockRecord record = new BlockRecord(header.unitsPerBlock());
        for (int block = 0; block < blockCount; block++) {
            recordOffsets[block] = cursor.position();
            cursor.readBlock(record, header, block);
            for (int i = 0; i < record.runCount; i++) {
                if (!map.setRun(record.runFirst[i], record.runLength[i], block)) {
                    throw cursor.damage("block " + block + " names a unit a second time");
                }
            }
            fileOffsets[block + 1] = fileOffsets[block] + record.storedBytes;
        }
    }

    private void parseZeroRuns(IndexCursor cursor, SegmentHeader header) throws CorruptException {
        long runs = cursor.varint();
        long next = 0;
        for (long run = 0; run < runs; run++) {
            long first = cursor.sum(next, cursor.varint());
            long count = cursor.varint();
            cursor.checkRun(first, count, header.unitCount(), "zero run " + run);
            if (!map.setRun(first, count, UnitMap.ZERO)) {
                throw cursor.damage("zero run " + run + " names a unit a second time");
            }
            next = first + count;
        }
    }

    int blockCount() {
        return blockCount;
    }

    long fileOffset(int block) {
        return fileOffsets[block];
    }

    /** A block number, {@link UnitMap#ABSENT} or {@link UnitMap#ZERO}. */
    int blockOf(long unit) {
        return map.get(unit);
    }

    long withoutDataUntil(long unit) {
        return map.withoutDataUntil(unit);
    }

    /** The encoded index. */
    byte[] bytes() {
        return bytes;
    }

    /** Reads a block's record again; it was checked when the index was parsed. */
    void readRecord(int block, BlockRecord into, SegmentHeader header, String segment)
            throws CorruptException {
        new IndexCursor(bytes, recordOffsets[block], segment).readBlock(into, header, block);
    }

    void forEachZeroRun(ZeroRunVisitor visitor, String segment) throws VmckptException {
        IndexCursor cursor = new IndexCursor(bytes, zeroRunsOffset, segment);
        long runs = cursor.varint();
        long next = 0;
        for (long run = 0; run < runs; run++) {
            long first = next + cursor.varint();
            long count = cursor.varint();
            visitor.visit(first, count);
            next = first + count;
        }
    }

    /** One block's entry in the index; reused, to allocate nothing per block. */
    static final class BlockRecord {
        final long[] runFirst;
        final int[] runLength;
        final byte[] digest = new byte[SegmentFormat.DIGEST_BYTES];
        int runCount;
        int unitCount;
        int storedBytes;
        int encoding;

        BlockRecord(int unitsPerBlock) {
            this.runFirst = new long[unitsPerBlock];
            this.runLength = new int[unitsPerBlock];
        }

        /** Writes the unit numbers in the order of the data. */
        int units(long[] into) {
            int count = 0;
            for (int run = 0; run < runCount; run++) {
                for (int i = 0; i < runLength[run]; i++) {
                    into[count++] = runFirst[run] + i;
                }
            }
            return count;
        }

        /** How many units lie before this one in the block's data. */
        int indexOf(long unit) {
            int before = 0;
            for (int run = 0; run < runCount; run++) {
                long inRun = unit - runFirst[run];
                if (inRun >= 0 && inRun < runLength[run]) {
                    return before + (int) inRun;
                }
                before += runLength[run];
            }
            throw new IllegalArgumentException("unit " + unit + " is not in this block");
        }

        boolean digestEquals(byte[] other) {
            return Arrays.equals(digest, other);
        }
    }
}
