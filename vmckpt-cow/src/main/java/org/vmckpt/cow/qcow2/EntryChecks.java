package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;
import org.vmckpt.cow.block.StorageFile;

/** Reads L1 and L2 tables, and lets no entry pass that leads where no sound image's does. */
final class EntryChecks {
    private final Qcow2Header header;
    private final String name;

    EntryChecks(Qcow2Header header, String name) {
        this.header = header;
        this.name = name;
    }

    /**
     * Reads the L1 table; only offsets are left in it. A table that is listed twice cannot be
     * QEMU's work, and would let a small file describe an endless disk.
     */
    long[] readL1(StorageFile file, int entryCount) throws IOException {
        long fileBytes = file.size();
        DamagedImageException.expect(
                (long) entryCount * Long.BYTES <= fileBytes,
                name,
                "a first-level table inside the file",
                entryCount + " entries");
        long[] l1 = new long[entryCount];
        readAt(file, header.l1OffsetBytes(), entryCount * Long.BYTES).get(l1);
        for (int i = 0; i < l1.length; i++) {
            long offset = L2Entry.host(l1[i]);
            boolean sound =
                    !L2Entry.hasReservedL1Bits(l1[i])
                            && isAligned(offset)
                            && offset <= fileBytes - header.clusterSizeBytes();
            DamagedImageException.expect(
                    l1[i] == 0 || (offset != 0 && sound),
                    name,
                    "first-level entry " + i + " to point to a table inside the file",
                    "entry 0x" + Long.toHexString(l1[i]));
            l1[i] = offset;
        }
        long[] sorted = l1.clone();
        Arrays.sort(sorted);
        for (int i = 1; i < sorted.length; i++) {
            DamagedImageException.expect(
                    sorted[i] == 0 || sorted[i] != sorted[i - 1],
                    name,
                    "every second-level table once",
                    "two entries for " + sorted[i]);
        }
        return l1;
    }

    /** Reads an L2 table. Entries that lead where they must not are {@link L2Entry#DAMAGED}. */
    LongBuffer readTable(StorageFile file, long host) throws IOException {
        LongBuffer table = readAt(file, host, header.clusterSizeBytes());
        long fileBytes = file.size();
        for (int i = 0; i < table.limit(); i++) {
            if (!isSound(table.get(i), fileBytes)) {
                table.put(i, L2Entry.DAMAGED);
            }
        }
        return table;
    }

    private boolean isSound(long entry, long fileBytes) {
        if (L2Entry.isCompressed(entry)) {
            return (entry & L2Entry.COPIED) == 0
                    && L2Entry.compressedHost(entry, header.clusterBits()) < fileBytes;
        }
        long host = L2Entry.host(entry);
        return !L2Entry.hasReservedBits(entry, header.version())
                && isAligned(host)
                && host < fileBytes
                && (host != 0 || (entry & L2Entry.COPIED) == 0);
    }

    /** The error for a cluster whose entry is damaged. */
    static DamagedImageException damaged(String name, long diskOffset) {
        return new DamagedImageException(
                name,
                "an aligned cluster or a compressed cluster inside the file for disk offset "
                        + diskOffset,
                "an entry that leads elsewhere");
    }

    boolean isAligned(long offset) {
        return (offset & (header.clusterSizeBytes() - 1)) == 0;
    }

    static LongBuffer readAt(StorageFile file, long offset, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        file.read(bytes, offset);
        return bytes.clear().asLongBuffer();
    }
}
