package org.vmckpt.cow.qcow2;

/** Host clusters that an entry ceased to lead to. */
record Drop(long host, int count) {

    /** What {@code entry} leads to; nothing if it leads nowhere. */
    static Drop of(long entry, int clusterBits) {
        if (L2Entry.isCompressed(entry)) {
            long start = L2Entry.compressedHost(entry, clusterBits);
            long end = start + L2Entry.compressedBytes(entry, clusterBits) - 1;
            long first = start >>> clusterBits;
            return new Drop(first << clusterBits, (int) ((end >>> clusterBits) - first + 1));
        }
        return new Drop(L2Entry.host(entry), L2Entry.hasHost(entry) ? 1 : 0);
    }

    /** Both as one, if the other begins where this one ends. */
    boolean isFollowedBy(Drop other, int clusterBits) {
        return other.host == host + ((long) count << clusterBits);
    }
}
