package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.vmckpt.cow.block.StorageFile;

/** Zeroes and discards: whole clusters by their entries, parts of clusters by writing. */
final class ClusterZeroer {
    private static final int ZEROS_BYTES = 1 << 20;

    private final StorageFile file;
    private final Qcow2Header header;
    private final L2Cache l2;
    private final EntryChanges changes;
    private final ClusterHolds holds;
    private final ClusterWriter writer;
    private final Backing backing;
    private final int clusterBits;
    private final int clusterBytes;

    ClusterZeroer(
            StorageFile file,
            Qcow2Header header,
            L2Cache l2,
            EntryChanges changes,
            ClusterHolds holds,
            ClusterWriter writer,
            Backing backing) {
        this.file = file;
        this.header = header;
        this.l2 = l2;
        this.changes = changes;
        this.holds = holds;
        this.writer = writer;
        this.backing = backing;
        this.clusterBits = header.clusterBits();
        this.clusterBytes = header.clusterSizeBytes();
    }

    void zero(long offset, long length, boolean mayUnmap, long diskBytes) throws IOException {
        long end = offset + length;
        long wholeFrom = Math.ceilDiv(offset, clusterBytes);
        long wholeTo = wholeEnd(end, diskBytes);
        if (wholeFrom >= wholeTo) {
            zeroPartOfEach(offset, end, diskBytes);
            return;
        }
        zeroPartOfEach(offset, wholeFrom << clusterBits, diskBytes);
        for (long cluster = wholeFrom; cluster < wholeTo; cluster++) {
            if (l2.isAbsent(cluster) && backing.device().isEmpty()) {
                cluster |= header.l2EntryCount() - 1;
            } else {
                zeroWhole(cluster, mayUnmap, diskBytes);
            }
        }
        zeroPartOfEach(Math.min(end, wholeTo << clusterBits), end, diskBytes);
    }

    void discard(long offset, long length, long diskBytes) throws IOException {
        long wholeTo = wholeEnd(offset + length, diskBytes);
        for (long cluster = Math.ceilDiv(offset, clusterBytes); cluster < wholeTo; cluster++) {
            if (l2.isAbsent(cluster)) {
                cluster |= header.l2EntryCount() - 1;
            } else {
                discardWhole(cluster);
            }
        }
    }

    /** The disk's end also ends its last cluster. */
    private long wholeEnd(long end, long diskBytes) {
        return end == diskBytes ? Math.ceilDiv(end, clusterBytes) : end >>> clusterBits;
    }

    private void zeroPartOfEach(long from, long to, long diskBytes) throws IOException {
        for (long at = from; at < to; ) {
            long next = Math.min(to, (at | (clusterBytes - 1)) + 1);
            long cluster = at >>> clusterBits;
            if (!writer.readsZeros(cluster, l2.entry(cluster))) {
                writeZeros(at, next - at, diskBytes);
            }
            at = next;
        }
    }

    private void writeZeros(long offset, long length, long diskBytes) throws IOException {
        ByteBuffer zeros = ByteBuffer.allocateDirect((int) Math.min(length, ZEROS_BYTES));
        for (long done = 0; done < length; done += zeros.limit()) {
            zeros.clear().limit((int) Math.min(zeros.capacity(), length - done));
            writer.write(zeros, offset + done, diskBytes);
        }
    }

    private void zeroWhole(long cluster, boolean mayUnmap, long diskBytes) throws IOException {
        if (header.version() == 2) {
            zeroWithoutFlag(cluster, mayUnmap, diskBytes);
            return;
        }
        holds.hold(cluster, 1);
        try {
            long entry = l2.entry(cluster);
            boolean keepsHost =
                    !mayUnmap && L2Entry.hasHost(entry) && (entry & L2Entry.COPIED) != 0;
            long wanted = keepsHost ? entry | L2Entry.ZERO : L2Entry.ZERO;
            boolean alreadyZero = L2Entry.isUnallocated(entry) && writer.readsZeros(cluster, entry);
            if (entry != wanted && !alreadyZero) {
                changes.set(cluster, entry, wanted);
            }
        } finally {
            holds.release(cluster, 1);
        }
    }

    /** Version 2 has no zero clusters. */
    private void zeroWithoutFlag(long cluster, boolean mayUnmap, long diskBytes)
            throws IOException {
        long entry = l2.entry(cluster);
        if (writer.readsZeros(cluster, entry)) {
            return;
        }
        if (mayUnmap && L2Entry.isInPlace(entry)) {
            file.zero(L2Entry.host(entry), clusterBytes);
        } else {
            long start = cluster << clusterBits;
            writeZeros(start, Math.min(clusterBytes, diskBytes - start), diskBytes);
        }
    }

    /** Where the backing disk holds older data the cluster must not become unallocated. */
    private void discardWhole(long cluster) throws IOException {
        holds.hold(cluster, 1);
        try {
            long entry = l2.entry(cluster);
            boolean nothingToGive = !L2Entry.hasHost(entry) && !L2Entry.isCompressed(entry);
            if (nothingToGive) {
                return;
            }
            if (backing.isZero(cluster << clusterBits, clusterBytes)) {
                changes.set(cluster, entry, L2Entry.UNALLOCATED);
            } else if (header.version() > 2) {
                changes.set(cluster, entry, L2Entry.ZERO);
            }
        } finally {
            holds.release(cluster, 1);
        }
    }
}
