package org.vmckpt.cow.disk;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.disk.Extent.Kind;

/**
 * A qcow2 file. The first-level table is held in memory; of the second-level tables and of the
 * decompressed clusters the last one used, since a copy goes from start to end.
 */
final class Qcow2Reader implements FrozenFileReader {
    private static final long OFFSET_MASK = 0x00ff_ffff_ffff_fe00L;
    private static final long L1_RESERVED_MASK = 0x7f00_0000_0000_01ffL;
    private static final long L2_RESERVED_MASK = 0x3f00_0000_0000_01feL;
    private static final long COMPRESSED_FLAG = 1L << 62;
    private static final long ZERO_FLAG = 1;
    private static final int SECTOR_BYTES = 512;

    private final ImageFile file;
    private final Qcow2Header header;
    private final ClusterDecompressor decompressor;
    private final long[] l1;
    private final long[] l2;
    private int l2Index = -1;
    private long decompressedCluster = -1;
    private byte[] decompressed = new byte[0];

    private Qcow2Reader(ImageFile file, Qcow2Header header, long[] l1) {
        this.file = file;
        this.header = header;
        this.decompressor = new ClusterDecompressor(header);
        this.l1 = l1;
        this.l2 = new long[header.l2EntryCount()];
    }

    static Qcow2Reader over(ImageFile file) throws VmckptException {
        Qcow2Header header = Qcow2Header.read(file);
        long[] l1 = new long[header.l1EntryCount()];
        readEntries(file, header.l1OffsetBytes(), l1);
        checkL1(file, header, l1);
        return new Qcow2Reader(file, header, l1);
    }

    Qcow2Header header() {
        return header;
    }

    @Override
    public long virtualSizeBytes() {
        return header.virtualSizeBytes();
    }

    @Override
    public Extent extentAt(long offset, long limit) throws VmckptException {
        Kind kind = kindAt(offset);
        long end = endOfEntry(offset);
        while (end < limit && kindAt(end) == kind) {
            end = endOfEntry(end);
        }
        return new Extent(kind, offset, Math.min(end, limit) - offset);
    }

    @Override
    public void read(long offset, ByteBuffer target) throws VmckptException {
        long position = offset;
        while (target.hasRemaining()) {
            long entry = entryAt(position);
            position +=
                    (entry & COMPRESSED_FLAG) != 0
                            ? readCompressed(entry, position, target)
                            : readPlain(entry, position, target);
        }
    }

    @Override
    public void close() {
        file.close();
    }

    private Kind kindAt(long offset) throws VmckptException {
        long entry = entryAt(offset);
        if ((entry & COMPRESSED_FLAG) != 0) {
            return Kind.DATA;
        }
        if ((entry & ZERO_FLAG) != 0) {
            return Kind.ZERO;
        }
        return (entry & OFFSET_MASK) == 0 ? Kind.ABSENT : Kind.DATA;
    }

    /** Where the first- or second-level entry that describes {@code offset} stops to do so. */
    private long endOfEntry(long offset) {
        long span = l1[l1IndexOf(offset)] == 0 ? header.l2SpanBytes() : header.clusterSizeBytes();
        return (offset & -span) + span;
    }

    private int l1IndexOf(long offset) {
        return (int) (offset >>> (2 * header.clusterBits() - 3));
    }

    private long entryAt(long offset) throws VmckptException {
        int index = l1IndexOf(offset);
        if (l1[index] == 0) {
            return 0;
        }
        if (index != l2Index) {
            l2Index = -1;
            readEntries(file, l1[index], l2);
            l2Index = index;
        }
        int cluster = (int) (offset >>> header.clusterBits()) & (header.l2EntryCount() - 1);
        return checkedEntry(l2[cluster], offset);
    }

    private long checkedEntry(long entry, long offset) throws CorruptException {
        if ((entry & COMPRESSED_FLAG) != 0) {
            return entry;
        }
        long host = entry & OFFSET_MASK;
        boolean sound =
                (entry & L2_RESERVED_MASK) == 0
                        && (header.version() > 2 || (entry & ZERO_FLAG) == 0)
                        && (host & (header.clusterSizeBytes() - 1)) == 0
                        && host < file.sizeBytes();
        if (!sound) {
            throw Qcow2Header.corrupt(
                    file,
                    "an aligned cluster inside the file for disk offset " + offset,
                    "entry 0x" + Long.toHexString(entry));
        }
        return entry;
    }

    /** Reads as many clusters at once as lie side by side in the file. */
    private int readPlain(long entry, long offset, ByteBuffer target) throws VmckptException {
        long host = entry & OFFSET_MASK;
        if (host == 0 || (entry & ZERO_FLAG) != 0) {
            throw new IllegalArgumentException("no data at " + offset + " of " + file.path());
        }
        int clusterSize = header.clusterSizeBytes();
        int inCluster = (int) (offset & (clusterSize - 1));
        long length = (long) clusterSize - inCluster;
        while (length < target.remaining()
                && isPlainAt(offset + length, host + inCluster + length)) {
            length += clusterSize;
        }
        int count = (int) Math.min(length, target.remaining());
        ByteBuffer part = target.slice(target.position(), count);
        file.read(host + inCluster, part);
        target.position(target.position() + count);
        return count;
    }

    private boolean isPlainAt(long offset, long host) throws VmckptException {
        long entry = entryAt(offset);
        return (entry & (COMPRESSED_FLAG | ZERO_FLAG)) == 0 && (entry & OFFSET_MASK) == host;
    }

    private int readCompressed(long entry, long offset, ByteBuffer target) throws VmckptException {
        long cluster = offset >>> header.clusterBits();
        if (cluster != decompressedCluster) {
            decompressedCluster = -1;
            decompressed = decompress(entry, offset);
            decompressedCluster = cluster;
        }
        int inCluster = (int) (offset & (header.clusterSizeBytes() - 1));
        int count = Math.min(decompressed.length - inCluster, target.remaining());
        target.put(decompressed, inCluster, count);
        return count;
    }

    /** The entry holds an offset in its low bits and the count of further sectors above them. */
    private byte[] decompress(long entry, long offset) throws VmckptException {
        int offsetBits = 62 - (header.clusterBits() - 8);
        long host = entry & ((1L << offsetBits) - 1);
        long furtherSectors = (entry & ~(3L << 62)) >>> offsetBits;
        long stored = (furtherSectors + 1) * SECTOR_BYTES - (host & (SECTOR_BYTES - 1));
        long available = Math.min(stored, file.sizeBytes() - host);
        if (available <= 0) {
            throw Qcow2Header.corrupt(
                    file,
                    "a compressed cluster inside the file for disk offset " + offset,
                    "file offset " + host);
        }
        ByteBuffer compressed = ByteBuffer.allocate((int) available);
        file.read(host, compressed);
        return decompressor
                .decompress(compressed.array())
                .orElseThrow(() ->
                        Qcow2Header.corrupt(
                                file,
                                "a compressed cluster for disk offset " + offset,
                                "bytes that do not decompress to a cluster"));
    }

    private static void readEntries(ImageFile file, long offset, long[] entries)
            throws StorageException {
        ByteBuffer bytes = ByteBuffer.allocate(entries.length * Long.BYTES);
        file.read(offset, bytes);
        bytes.flip().asLongBuffer().get(entries);
    }

    /**
     * Leaves only offsets in {@code l1}. A table that is listed twice cannot be QEMU's work, and
     * would let a small file describe an endless disk.
     */
    private static void checkL1(ImageFile file, Qcow2Header header, long[] l1)
            throws CorruptException {
        for (int i = 0; i < l1.length; i++) {
            long offset = l1[i] & OFFSET_MASK;
            boolean sound =
                    (l1[i] & L1_RESERVED_MASK) == 0
                            && (offset & (header.clusterSizeBytes() - 1)) == 0
                            && offset <= file.sizeBytes() - header.clusterSizeBytes();
            if (l1[i] != 0 && (offset == 0 || !sound)) {
                throw Qcow2Header.corrupt(
                        file,
                        "first-level entry " + i + " to point to a table inside the file",
                        "entry 0x" + Long.toHexString(l1[i]));
            }
            l1[i] = offset;
        }
        long[] sorted = l1.clone();
        Arrays.sort(sorted);
        for (int i = 1; i < sorted.length; i++) {
            if (sorted[i] != 0 && sorted[i] == sorted[i - 1]) {
                throw Qcow2Header.corrupt(
                        file, "every second-level table once", "two entries for " + sorted[i]);
            }
        }
    }
}
