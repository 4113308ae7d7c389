package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.vmckpt.cow.block.StorageFile;

/**
 * An image that does not exist yet: version 3 unless said otherwise, with 16-bit refcounts.
 *
 * @param lazyRefcounts allows QEMU to put refcounts off; vmckpt itself never does
 * @param backing the disk below
 */
public record NewImage(
        long virtualSizeBytes,
        int version,
        int clusterBits,
        boolean lazyRefcounts,
        Optional<BackingName> backing) {

    /**
     * How a header names the disk below.
     *
     * @param name a path; if relative, to the image's folder
     * @param format {@code qcow2} or {@code raw}
     */
    public record BackingName(String name, String format) {
        private static final int LARGEST_BYTES = 1023;

        public BackingName {
            int length = name.getBytes(StandardCharsets.UTF_8).length;
            if (length == 0 || length > LARGEST_BYTES || format.length() > 16) {
                throw new IllegalArgumentException(format + " backing file " + name);
            }
        }
    }

    private static final int SECTOR_BYTES = 512;
    private static final int DEFAULT_CLUSTER_BITS = 16;
    private static final int SMALLEST_CLUSTER_BITS = 9;
    private static final int LARGEST_CLUSTER_BITS = 21;

    public NewImage {
        boolean sound =
                virtualSizeBytes >= 0
                        && virtualSizeBytes % SECTOR_BYTES == 0
                        && (version == 2 || version == 3)
                        && clusterBits >= SMALLEST_CLUSTER_BITS
                        && clusterBits <= LARGEST_CLUSTER_BITS
                        && !(lazyRefcounts && version == 2)
                        && Qcow2Header.l1EntriesFor(virtualSizeBytes, clusterBits)
                                <= Qcow2Header.LARGEST_L1_ENTRIES;
        if (!sound) {
            throw new IllegalArgumentException(
                    "qcow2 version "
                            + version
                            + " of "
                            + virtualSizeBytes
                            + " bytes in clusters of 2^"
                            + clusterBits);
        }
    }

    /** Clusters of 64 KiB. */
    public static NewImage of(long virtualSizeBytes, Optional<BackingName> backing) {
        return new NewImage(virtualSizeBytes, 3, DEFAULT_CLUSTER_BITS, false, backing);
    }

    /**
     * Makes an empty file a sound, empty image, durably. The header comes last: until then nobody
     * takes it for an image.
     */
    public void write(StorageFile file) throws IOException {
        long l1Offset = writeTables(file);
        file.sync();
        file.write(header(l1Offset), 0);
        file.sync();
    }

    /** The same with one sync, for a file that nobody knows of before: a crash leaves anything. */
    public void writeAtOnce(StorageFile file) throws IOException {
        file.write(header(writeTables(file)), 0);
        file.sync();
    }

    private int l1Entries() {
        return Math.max(1, (int) Qcow2Header.l1EntriesFor(virtualSizeBytes, clusterBits));
    }

    /** Returns the offset of the first-level table. */
    private long writeTables(StorageFile file) throws IOException {
        if (file.size() != 0) {
            throw new IllegalArgumentException("a new qcow2 image in a file that holds something");
        }
        int clusterBytes = 1 << clusterBits;
        int l1Clusters = Math.ceilDiv(l1Entries() * Long.BYTES, clusterBytes);
        int countsPerBlock = clusterBytes / Short.BYTES;
        // Header, one cluster of refcount table, blocks, first-level table.
        int blocks = 1;
        while (2 + blocks + l1Clusters > blocks * countsPerBlock) {
            blocks++;
        }
        int clusters = 2 + blocks + l1Clusters;
        ByteBuffer tables = ByteBuffer.allocate((1 + blocks) << clusterBits);
        for (int i = 0; i < blocks; i++) {
            tables.putLong(i * Long.BYTES, (2L + i) << clusterBits);
        }
        for (int i = 0; i < clusters; i++) {
            tables.putShort(clusterBytes + i * Short.BYTES, (short) 1);
        }
        file.resize((long) clusters << clusterBits);
        file.write(tables, clusterBytes);
        return (2L + blocks) << clusterBits;
    }

    private ByteBuffer header(long l1Offset) {
        ByteBuffer header = ByteBuffer.allocate(1 << clusterBits);
        header.putInt(0, Qcow2Header.MAGIC);
        header.putInt(4, version);
        header.putInt(20, clusterBits);
        header.putLong(Qcow2Header.VIRTUAL_SIZE_AT, virtualSizeBytes);
        header.putInt(Qcow2Header.L1_CAPACITY_AT, l1Entries());
        header.putLong(Qcow2Header.L1_OFFSET_AT, l1Offset);
        header.putLong(Qcow2Header.REFCOUNT_TABLE_OFFSET_AT, 1L << clusterBits);
        header.putInt(Qcow2Header.REFCOUNT_TABLE_CLUSTERS_AT, 1);
        int headerBytes = Qcow2Header.V2_BYTES;
        if (version == 3) {
            headerBytes = Qcow2Header.V3_BYTES;
            header.putLong(
                    Qcow2Header.COMPATIBLE_AT, lazyRefcounts ? Qcow2Header.LAZY_REFCOUNTS : 0);
            header.putInt(Qcow2Header.REFCOUNT_ORDER_AT, Qcow2Header.WRITTEN_REFCOUNT_ORDER);
            header.putInt(Qcow2Header.HEADER_BYTES_AT, headerBytes);
        }
        header.position(headerBytes);
        backing.ifPresent(it -> putBacking(header, it));
        return header.clear();
    }

    private static void putBacking(ByteBuffer header, BackingName backing) {
        byte[] format = backing.format.getBytes(StandardCharsets.US_ASCII);
        int start = header.position();
        header.putInt(Qcow2Header.EXTENSION_BACKING_FORMAT).putInt(format.length).put(format);
        int end = start + 8 + Math.ceilDiv(format.length, 8) * 8;
        byte[] name = backing.name.getBytes(StandardCharsets.UTF_8);
        // Behind the end mark of the extensions, which is eight zeros.
        int nameAt = end + 8;
        header.position(nameAt).put(name);
        header.putLong(Qcow2Header.BACKING_NAME_AT, nameAt);
        header.putInt(Qcow2Header.BACKING_NAME_BYTES_AT, name.length);
    }
}
