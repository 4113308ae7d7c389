package org.vmckpt.core.store;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Collects the index of a segment in its final encoding, about 40 bytes per block. Grows by pieces,
 * so it never copies what it has. Not thread-safe.
 */
final class IndexBuilder {
    private static final int PIECE_BYTES = 1 << 18;

    private final List<byte[]> fullPieces = new ArrayList<>();
    private byte[] piece = new byte[PIECE_BYTES];
    private int used;
    private int blockCount;
    private final int unitsPerBlock;
    private final UnitSet named;
    private final UnitSet zeros;

    IndexBuilder(SegmentHeader header) {
        this.unitsPerBlock = header.unitsPerBlock();
        this.named = new UnitSet(header.unitCount());
        this.zeros = new UnitSet(header.unitCount());
    }

    int blockCount() {
        return blockCount;
    }

    boolean isEmpty() {
        return blockCount == 0 && zeros.nextIn(0) == zeros.unitCount();
    }

    /** Roughly what is collected, without the zero runs; to stay within the format's limit. */
    long sizeBytes() {
        return (long) fullPieces.size() * PIECE_BYTES + used;
    }

    void addBlock(int encoding, int storedBytes, long[] units, int count, byte[] digest) {
        if (count < 1 || count > unitsPerBlock) {
            throw new IllegalArgumentException("block of " + count + " units");
        }
        putByte(encoding);
        putVarint(storedBytes);
        putVarint(countRuns(units, count));
        long expected = 0;
        int from = 0;
        while (from < count) {
            int end = endOfRun(units, from, count);
            claim(units[from], end - from);
            putVarint(zigzag(units[from] - expected));
            putVarint(end - from);
            expected = units[end - 1] + 1;
            from = end;
        }
        putBytes(digest);
        blockCount++;
    }

    void addZeros(long first, long count) {
        claim(first, count);
        zeros.addRun(first, count);
    }

    /** The pieces of the finished index, in order. */
    List<byte[]> finish() {
        long runs = 0;
        long end = named.unitCount();
        for (long at = zeros.nextIn(0); at < end; at = zeros.nextIn(zeros.nextOut(at))) {
            runs++;
        }
        putVarint(runs);
        long expected = 0;
        for (long at = zeros.nextIn(0); at < end; at = zeros.nextIn(expected)) {
            putVarint(at - expected);
            expected = zeros.nextOut(at);
            putVarint(expected - at);
        }
        List<byte[]> index = new ArrayList<>();
        index.add(varint(blockCount));
        index.addAll(fullPieces);
        index.add(Arrays.copyOf(piece, used));
        return index;
    }

    private void claim(long first, long count) {
        if (!named.addRun(first, count)) {
            throw new IllegalStateException(
                    "a unit of " + first + " to " + (first + count - 1) + " was appended twice");
        }
    }

    private static int countRuns(long[] units, int count) {
        int runs = 0;
        for (int from = 0; from < count; from = endOfRun(units, from, count)) {
            runs++;
        }
        return runs;
    }

    private static int endOfRun(long[] units, int from, int count) {
        int end = from + 1;
        while (end < count && units[end] == units[end - 1] + 1) {
            end++;
        }
        return end;
    }

    private static long zigzag(long value) {
        return (value << 1) ^ (value >> 63);
    }

    private static byte[] varint(long value) {
        byte[] out = new byte[10];
        int length = 0;
        long rest = value;
        while (rest > 0x7f) {
            out[length++] = (byte) (rest | 0x80);
            rest >>>= 7;
        }
        out[length++] = (byte) rest;
        return Arrays.copyOf(out, length);
    }

    private void putVarint(long value) {
        long rest = value;
        while (rest > 0x7f) {
            putByte((int) (rest & 0x7f) | 0x80);
            rest >>>= 7;
        }
        putByte((int) rest);
    }

    private void putByte(int value) {
        if (used == PIECE_BYTES) {
            fullPieces.add(piece);
            piece = new byte[PIECE_BYTES];
            used = 0;
        }
        piece[used++] = (byte) value;
    }

    private void putBytes(byte[] bytes) {
        for (byte value : bytes) {
            putByte(value);
        }
    }
}
