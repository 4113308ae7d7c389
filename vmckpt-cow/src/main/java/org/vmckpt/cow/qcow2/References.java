package org.vmckpt.cow.qcow2;

import java.util.NavigableMap;
import java.util.TreeMap;

/** How often each host cluster is led to, as a scan of all tables finds it. Sparse. */
final class References {
    /** Led to as a whole: nothing else may lead there. */
    private static final char OWNED = 0xffff;

    private static final char MOST_SHARED = 0xfffe;

    private final String name;
    private final int clusterBits;
    private final int rangeBits;
    private final NavigableMap<Long, char[]> ranges = new TreeMap<>();

    References(String name, int clusterBits) {
        this.name = name;
        this.clusterBits = clusterBits;
        this.rangeBits = clusterBits - 1;
    }

    void own(long host, long count, String what) throws DamagedImageException {
        long first = host >>> clusterBits;
        for (long cluster = first; cluster < first + count; cluster++) {
            char[] range = range(cluster);
            int index = indexOf(cluster);
            DamagedImageException.expect(
                    range[index] == 0,
                    name,
                    what + " in a cluster of its own",
                    "host offset " + (cluster << clusterBits) + ", which is in use otherwise");
            range[index] = OWNED;
        }
    }

    /** A compressed cluster shares host clusters with others. */
    void share(Drop clusters) throws DamagedImageException {
        long first = clusters.host() >>> clusterBits;
        for (long cluster = first; cluster < first + clusters.count(); cluster++) {
            char[] range = range(cluster);
            int index = indexOf(cluster);
            DamagedImageException.expect(
                    range[index] < MOST_SHARED,
                    name,
                    "compressed clusters apart from all others",
                    "host offset " + (cluster << clusterBits));
            range[index]++;
        }
    }

    NavigableMap<Long, char[]> ranges() {
        return ranges;
    }

    static int count(char reference) {
        return reference == OWNED ? 1 : reference;
    }

    /** The first cluster behind all that are led to. */
    long end() {
        if (ranges.isEmpty()) {
            return 0;
        }
        char[] last = ranges.lastEntry().getValue();
        int index = last.length;
        while (index > 0 && last[index - 1] == 0) {
            index--;
        }
        return (ranges.lastKey() << rangeBits) + index;
    }

    private char[] range(long cluster) {
        return ranges.computeIfAbsent(cluster >>> rangeBits, number -> new char[1 << rangeBits]);
    }

    private int indexOf(long cluster) {
        return (int) (cluster & ((1L << rangeBits) - 1));
    }
}
