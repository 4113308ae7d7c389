package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.vmckpt.cow.block.StorageFile;

/**
 * Writes a disk. A cluster in place is overwritten with no lock; any other is held while a host
 * cluster is filled with what the write brings and, around it, what the disk held there. The entry
 * is changed last, so that nobody finds half a cluster.
 */
final class ClusterWriter {
    /** So that one large write does not hold all of a disk. */
    private static final int LARGEST_RUN_BYTES = 4 << 20;

    private final StorageFile file;
    private final L2Cache l2;
    private final HostClusters clusters;
    private final EntryChanges changes;
    private final ClusterHolds holds;
    private final ClusterReader reader;
    private final Backing backing;
    private final ScratchBuffers scratch;
    private final int clusterBits;
    private final int clusterBytes;

    ClusterWriter(
            StorageFile file,
            Qcow2Header header,
            L2Cache l2,
            HostClusters clusters,
            EntryChanges changes,
            ClusterHolds holds,
            ClusterReader reader,
            Backing backing) {
        this.file = file;
        this.l2 = l2;
        this.clusters = clusters;
        this.changes = changes;
        this.holds = holds;
        this.reader = reader;
        this.backing = backing;
        this.scratch = new ScratchBuffers(header.clusterSizeBytes());
        this.clusterBits = header.clusterBits();
        this.clusterBytes = header.clusterSizeBytes();
    }

    /**
     * Writes what remains in the buffer.
     *
     * @param diskBytes the disk's size: what a cluster holds past it is zeros
     */
    void write(ByteBuffer from, long offset, long diskBytes) throws IOException {
        int limit = from.limit();
        long at = offset;
        while (from.position() < limit) {
            int wanted = limit - from.position();
            long entry = l2.entry(at >>> clusterBits);
            int done =
                    L2Entry.isInPlace(entry)
                            ? overwrite(from, at, entry, wanted)
                            : allocate(from, at, wanted, diskBytes);
            at += done;
            from.limit(limit);
        }
    }

    /** Whether the cluster is known to read as zeros. */
    boolean readsZeros(long cluster, long entry) throws IOException {
        return L2Entry.isZero(entry)
                || (L2Entry.isUnallocated(entry)
                        && backing.isZero(cluster << clusterBits, clusterBytes));
    }

    private int overwrite(ByteBuffer from, long at, long entry, int wanted) throws IOException {
        int inCluster = (int) at & (clusterBytes - 1);
        long length = (long) clusterBytes - inCluster;
        long expected = L2Entry.host(entry);
        long next = at >>> clusterBits;
        while (length < wanted) {
            long other = l2.entry(++next);
            expected += clusterBytes;
            if (!L2Entry.isInPlace(other) || L2Entry.host(other) != expected) {
                break;
            }
            length += clusterBytes;
        }
        int count = (int) Math.min(length, wanted);
        file.write(from.limit(from.position() + count), L2Entry.host(entry) + inCluster);
        return count;
    }

    private int allocate(ByteBuffer from, long at, int wanted, long diskBytes) throws IOException {
        long first = at >>> clusterBits;
        boolean whole = (at & (clusterBytes - 1)) == 0 && wanted >= clusterBytes;
        int count = whole ? Math.min(wanted, LARGEST_RUN_BYTES) >>> clusterBits : 1;
        holds.hold(first, count);
        try {
            long entry = l2.entry(first);
            if (L2Entry.isInPlace(entry)) {
                return 0;
            }
            return whole
                    ? writeWhole(from, first, entry, count)
                    : writePart(from, at, entry, wanted, diskBytes);
        } finally {
            holds.release(first, count);
        }
    }

    private int writeWhole(ByteBuffer from, long first, long entry, int most) throws IOException {
        if (ownsHost(entry)) {
            file.write(from.limit(from.position() + clusterBytes), L2Entry.host(entry));
            changes.set(first, entry, L2Entry.host(entry) | L2Entry.COPIED);
            return clusterBytes;
        }
        int count = 1;
        while (count < most && needsHost(l2.entry(first + count))) {
            count++;
        }
        HostClusters.Run run = clusters.allocate(count);
        int given = 0;
        try {
            int bytes = run.count() << clusterBits;
            file.write(from.limit(from.position() + bytes), run.host());
            for (; given < run.count(); given++) {
                long old = l2.entry(first + given);
                changes.set(first + given, old, hostOf(run, given) | L2Entry.COPIED);
            }
            return bytes;
        } finally {
            // Normally nothing is left.
            clusters.release(hostOf(run, given), run.count() - given, false);
        }
    }

    private int writePart(ByteBuffer from, long at, long entry, int wanted, long diskBytes)
            throws IOException {
        long cluster = at >>> clusterBits;
        int inCluster = (int) at & (clusterBytes - 1);
        int count = Math.min(wanted, clusterBytes - inCluster);
        from.limit(from.position() + count);
        if (ownsHost(entry)) {
            fill(L2Entry.host(entry), false, from, at, entry, diskBytes);
            changes.set(cluster, entry, L2Entry.host(entry) | L2Entry.COPIED);
            return count;
        }
        HostClusters.Run run = clusters.allocate(1);
        boolean given = false;
        try {
            fill(run.host(), run.zeros(), from, at, entry, diskBytes);
            changes.set(cluster, entry, run.host() | L2Entry.COPIED);
            given = true;
            return count;
        } finally {
            if (!given) {
                clusters.release(run.host(), 1, false);
            }
        }
    }

    /** Writes a host cluster: the buffer's bytes, and around them what the disk holds. */
    private void fill(
            long host, boolean zeros, ByteBuffer from, long at, long entry, long diskBytes)
            throws IOException {
        int inCluster = (int) at & (clusterBytes - 1);
        boolean readsZeros = readsZeros(at >>> clusterBits, entry);
        if (zeros && readsZeros) {
            file.write(from, host + inCluster);
            return;
        }
        ByteBuffer cluster = scratch.take();
        try {
            if (readsZeros) {
                Zeros.put(cluster, clusterBytes);
            } else {
                long start = at - inCluster;
                int onDisk = (int) Math.min(clusterBytes, diskBytes - start);
                reader.read(cluster.limit(onDisk), start);
                cluster.limit(clusterBytes);
                Zeros.put(cluster, clusterBytes - onDisk);
            }
            cluster.position(inCluster).put(from);
            file.write(cluster.clear(), host);
        } finally {
            scratch.giveBack(cluster);
        }
    }

    private long hostOf(HostClusters.Run run, int index) {
        return run.host() + ((long) index << clusterBits);
    }

    /** A zero cluster that has room of its own in the file. */
    private static boolean ownsHost(long entry) {
        return L2Entry.isZero(entry) && L2Entry.hasHost(entry) && (entry & L2Entry.COPIED) != 0;
    }

    private static boolean needsHost(long entry) {
        return !L2Entry.isInPlace(entry) && !ownsHost(entry);
    }
}
