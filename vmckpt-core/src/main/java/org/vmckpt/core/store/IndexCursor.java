package org.vmckpt.core.store;

import org.vmckpt.core.CorruptException;
import org.vmckpt.core.store.SegmentIndex.BlockRecord;

/** Reads the encoded index. Every number is checked, so nonsense gives a CorruptException. */
final class IndexCursor {
    /** Encoding, stored bytes, run count, one run of two varints, digest. */
    static final int MIN_BLOCK_RECORD_BYTES = 5 + SegmentFormat.DIGEST_BYTES;

    private final byte[] bytes;
    private final String segment;
    private int position;

    IndexCursor(byte[] bytes, int position, String segment) {
        this.bytes = bytes;
        this.position = position;
        this.segment = segment;
    }

    int position() {
        return position;
    }

    void expectEnd() throws CorruptException {
        if (position != bytes.length) {
            throw damage((bytes.length - position) + " bytes follow its end");
        }
    }

    CorruptException damage(String found) {
        return new CorruptException(SegmentDamage.message(segment, "index", found));
    }

    void readBlock(BlockRecord record, SegmentHeader header, int block) throws CorruptException {
        record.encoding = octet();
        record.storedBytes = count(SegmentFormat.MAX_BLOCK_BYTES, "stored bytes");
        record.runCount = count(header.unitsPerBlock(), "runs");
        record.unitCount = 0;
        long expected = 0;
        for (int run = 0; run < record.runCount; run++) {
            long gap = varint();
            long first = sum(expected, (gap >>> 1) ^ -(gap & 1));
            int length = count(header.unitsPerBlock(), "units");
            checkRun(first, length, header.unitCount(), "block " + block);
            record.runFirst[run] = first;
            record.runLength[run] = length;
            record.unitCount += length;
            expected = first + length;
        }
        digest(record.digest);
        checkBlock(record, header, block);
    }

    private void checkBlock(BlockRecord record, SegmentHeader header, int block)
            throws CorruptException {
        long dataBytes = (long) record.unitCount * header.unitSizeBytes();
        boolean sound =
                record.unitCount >= 1
                        && record.unitCount <= header.unitsPerBlock()
                        && record.storedBytes >= 1
                        && switch (record.encoding) {
                            case SegmentFormat.ENCODING_RAW -> record.storedBytes == dataBytes;
                            case SegmentFormat.ENCODING_ZSTD -> record.storedBytes <= dataBytes;
                            default -> false;
                        };
        if (!sound) {
            throw damage(
                    "block "
                            + block
                            + " of "
                            + record.unitCount
                            + " units cannot have "
                            + record.storedBytes
                            + " bytes in encoding "
                            + record.encoding);
        }
    }

    void checkRun(long first, long count, long unitCount, String what) throws CorruptException {
        if (first < 0 || count < 1 || first >= unitCount || count > unitCount - first) {
            throw damage(
                    what + " has " + count + " units from " + first + ", outside of " + unitCount);
        }
    }

    /** A sum that cannot overflow into a valid number. */
    long sum(long a, long b) throws CorruptException {
        long sum = a + b;
        if (((a ^ sum) & (b ^ sum)) < 0) {
            throw damage("a unit number is out of range");
        }
        return sum;
    }

    int count(int limit, String what) throws CorruptException {
        long value = varint();
        if (value > limit) {
            throw damage(value + " " + what + ", at most " + limit + " are possible");
        }
        return (int) value;
    }

    long varint() throws CorruptException {
        long value = 0;
        for (int shift = 0; shift < Long.SIZE - 1; shift += 7) {
            int octet = octet();
            value |= (long) (octet & 0x7f) << shift;
            if (octet < 0x80) {
                return value;
            }
        }
        throw damage("a number is longer than 63 bits");
    }

    private int octet() throws CorruptException {
        if (position >= bytes.length) {
            throw damage("it ends in the middle of an entry");
        }
        return bytes[position++] & 0xff;
    }

    private void digest(byte[] into) throws CorruptException {
        if (bytes.length - position < into.length) {
            throw damage("it ends in the middle of an entry");
        }
        System.arraycopy(bytes, position, into, 0, into.length);
        position += into.length;
    }
}
