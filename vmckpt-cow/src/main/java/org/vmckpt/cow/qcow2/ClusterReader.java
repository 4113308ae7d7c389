package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.vmckpt.cow.block.StorageFile;

/** Reads a disk. A cluster in place costs one look-up and one read into the caller's buffer. */
final class ClusterReader {
    private final StorageFile file;
    private final L2Cache l2;
    private final Backing backing;
    private final CompressedClusters compressed;
    private final String name;
    private final int clusterBits;
    private final int clusterMask;

    ClusterReader(
            StorageFile file,
            Qcow2Header header,
            L2Cache l2,
            Backing backing,
            CompressedClusters compressed,
            String name) {
        this.file = file;
        this.l2 = l2;
        this.backing = backing;
        this.compressed = compressed;
        this.name = name;
        this.clusterBits = header.clusterBits();
        this.clusterMask = header.clusterSizeBytes() - 1;
    }

    void read(ByteBuffer into, long offset) throws IOException {
        int limit = into.limit();
        long at = offset;
        while (into.position() < limit) {
            at += readRun(into, at, limit - into.position());
            into.limit(limit);
        }
    }

    /** Reads what one call can; returns how many bytes. May leave another limit. */
    private int readRun(ByteBuffer into, long at, int wanted) throws IOException {
        long cluster = at >>> clusterBits;
        long entry = l2.entry(cluster);
        int inCluster = (int) at & clusterMask;
        int rest = clusterMask + 1 - inCluster;
        if (L2Entry.isData(entry)) {
            int count = dataRun(cluster, entry, rest, wanted);
            readFile(into, L2Entry.host(entry) + inCluster, count);
            return count;
        }
        int count = Math.min(rest, wanted);
        if (L2Entry.isUnallocated(entry)) {
            count = unallocatedRun(cluster, rest, wanted);
            backing.read(into, at, count);
        } else if (L2Entry.isZero(entry)) {
            Zeros.put(into, count);
        } else {
            into.put(unpacked(entry, at), inCluster, count);
        }
        return count;
    }

    private byte[] unpacked(long entry, long at) throws IOException {
        if (entry == L2Entry.DAMAGED) {
            throw EntryChecks.damaged(name, at);
        }
        return compressed.read(entry);
    }

    /** What lies past the file's end is zeros. */
    private void readFile(ByteBuffer into, long host, int count) throws IOException {
        int end = into.position() + count;
        file.read(into.limit(end), host);
        if (into.position() < end) {
            Zeros.put(into, end - into.position());
        }
    }

    /** How far the clusters lie side by side in the file. */
    private int dataRun(long cluster, long entry, int rest, int wanted) throws IOException {
        long length = rest;
        long expected = L2Entry.host(entry);
        long next = cluster;
        while (length < wanted) {
            long other = l2.entry(++next);
            expected += clusterMask + 1;
            if (!L2Entry.isData(other) || L2Entry.host(other) != expected) {
                break;
            }
            length += clusterMask + 1;
        }
        return (int) Math.min(length, wanted);
    }

    private int unallocatedRun(long cluster, int rest, int wanted) throws IOException {
        long length = rest;
        long next = cluster;
        while (length < wanted && L2Entry.isUnallocated(l2.entry(++next))) {
            length += clusterMask + 1;
        }
        return (int) Math.min(length, wanted);
    }
}
