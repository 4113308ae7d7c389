package org.vmckpt.cow.qcow2;

/** What the bits of L1 and L2 entries mean. An entry stays a long: there are millions of them. */
final class L2Entry {
    static final long UNALLOCATED = 0;

    /** Nothing else leads to the cluster, so it may be overwritten. */
    static final long COPIED = 1L << 63;

    static final long COMPRESSED = 1L << 62;

    /** Reads as zeros, whatever the host cluster holds; version 3 only. */
    static final long ZERO = 1;

    /** Stands in memory for an entry that no sound image has; it counts as compressed. */
    static final long DAMAGED = COPIED | COMPRESSED;

    private static final long OFFSET_MASK = 0x00ff_ffff_ffff_fe00L;
    private static final long L2_RESERVED_MASK = 0x3f00_0000_0000_01feL;
    private static final long L1_RESERVED_MASK = 0x7f00_0000_0000_01ffL;
    private static final int SECTOR_BITS = 9;

    private L2Entry() {}

    static boolean isInPlace(long entry) {
        return (entry & (COPIED | COMPRESSED | ZERO)) == COPIED;
    }

    static boolean isCompressed(long entry) {
        return (entry & COMPRESSED) != 0;
    }

    static boolean isZero(long entry) {
        return (entry & (COMPRESSED | ZERO)) == ZERO;
    }

    /** Leads to a whole host cluster, whose content counts unless the entry is zero. */
    static boolean hasHost(long entry) {
        return (entry & COMPRESSED) == 0 && (entry & OFFSET_MASK) != 0;
    }

    static boolean isData(long entry) {
        return hasHost(entry) && (entry & ZERO) == 0;
    }

    /** Says nothing: the backing disk has the bytes. */
    static boolean isUnallocated(long entry) {
        return (entry & (COMPRESSED | ZERO)) == 0 && (entry & OFFSET_MASK) == 0;
    }

    static long host(long entry) {
        return entry & OFFSET_MASK;
    }

    static boolean hasReservedBits(long entry, int version) {
        return (entry & L2_RESERVED_MASK) != 0 || (version == 2 && (entry & ZERO) != 0);
    }

    static boolean hasReservedL1Bits(long entry) {
        return (entry & L1_RESERVED_MASK) != 0;
    }

    /** Where a compressed cluster starts; not aligned to anything. */
    static long compressedHost(long entry, int clusterBits) {
        return entry & ((1L << compressedOffsetBits(clusterBits)) - 1);
    }

    /** How far a compressed cluster reaches at most: the file knows whole sectors only. */
    static int compressedBytes(long entry, int clusterBits) {
        long host = compressedHost(entry, clusterBits);
        long furtherSectors =
                (entry & ~(COPIED | COMPRESSED)) >>> compressedOffsetBits(clusterBits);
        return (int) (((furtherSectors + 1) << SECTOR_BITS) - (host & ((1 << SECTOR_BITS) - 1)));
    }

    private static int compressedOffsetBits(int clusterBits) {
        return 62 - (clusterBits - 8);
    }
}
