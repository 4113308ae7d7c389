package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Optional;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.StorageFile;

/**
 * The header of a qcow2 file, versions 2 and 3. All numbers in the file are big-endian.
 *
 * @param l1EntryCount entries of the L1 table that the virtual size needs
 * @param l1Capacity entries of the L1 table in the file; at least as many
 * @param refcountOrder a refcount has 2 to the power of this many bits
 * @param autoclearFeatures what a writer that does not know them must clear
 * @param headerBytes where the header extensions begin
 * @param extensionsEnd where a backing name may be put; it may not pass the first cluster
 * @param hasOtherExtensions whether clusters may be in use that no table here leads to
 * @param backingName the backing file as the header names it
 * @param backingFormat {@code qcow2} or {@code raw}, if the header says it
 */
public record Qcow2Header(
        int version,
        int clusterBits,
        long virtualSizeBytes,
        long l1OffsetBytes,
        int l1EntryCount,
        int l1Capacity,
        long refcountTableOffsetBytes,
        int refcountTableClusters,
        int refcountOrder,
        int snapshotCount,
        boolean dirty,
        boolean lazyRefcounts,
        long autoclearFeatures,
        Compression compression,
        int headerBytes,
        int extensionsEnd,
        boolean hasOtherExtensions,
        Optional<String> backingName,
        Optional<String> backingFormat) {

    static final int MAGIC = 0x514649fb;
    static final int BACKING_NAME_AT = 8;
    static final int BACKING_NAME_BYTES_AT = 16;
    static final int VIRTUAL_SIZE_AT = 24;
    static final int L1_CAPACITY_AT = 36;
    static final int L1_OFFSET_AT = 40;
    static final int REFCOUNT_TABLE_OFFSET_AT = 48;
    static final int REFCOUNT_TABLE_CLUSTERS_AT = 56;
    static final int INCOMPATIBLE_AT = 72;
    static final int COMPATIBLE_AT = 80;
    static final int AUTOCLEAR_AT = 88;
    static final int REFCOUNT_ORDER_AT = 96;
    static final int HEADER_BYTES_AT = 100;
    static final int COMPRESSION_AT = 104;
    static final int V2_BYTES = 72;
    static final int V3_BYTES = 104;
    static final int EXTENSION_BACKING_FORMAT = 0xe2792aca;
    static final int EXTENSION_FEATURE_NAMES = 0x6803f857;

    static final long DIRTY = 1;
    static final long LAZY_REFCOUNTS = 1;

    static final int WRITTEN_REFCOUNT_ORDER = 4;

    /** What QEMU opens at most. */
    static final int LARGEST_L1_ENTRIES = 32 * 1024 * 1024 / Long.BYTES;

    static final int LARGEST_REFCOUNT_TABLE_BYTES = 8 * 1024 * 1024;

    /**
     * Reads and checks it.
     *
     * @param name how errors call the file
     */
    public static Qcow2Header read(StorageFile file, String name) throws VmckptException {
        try {
            return new HeaderReader(file, name).read();
        } catch (IOException e) {
            throw DamagedImageException.explain("reading qcow2 file", name, e);
        }
    }

    public int clusterSizeBytes() {
        return 1 << clusterBits;
    }

    /** An L2 table is one cluster of 8-byte entries. */
    public int l2EntryCount() {
        return 1 << (clusterBits - 3);
    }

    /** How much of the disk one L2 table describes. */
    public long l2SpanBytes() {
        return 1L << (2 * clusterBits - 3);
    }

    /** How many L1 entries a disk takes. */
    static long l1EntriesFor(long virtualSizeBytes, int clusterBits) {
        int spanBits = 2 * clusterBits - 3;
        long rest = virtualSizeBytes & ((1L << spanBits) - 1);
        return (virtualSizeBytes >>> spanBits) + (rest == 0 ? 0 : 1);
    }

    /** Writes one number of the header. A sector is written whole or not at all. */
    static void patch(StorageFile file, int at, long value) throws IOException {
        file.write(ByteBuffer.allocate(Long.BYTES).putLong(value).flip(), at);
    }
}
