package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;

/** Where each refcount block lies. {@link HostClusters} guards it. */
final class RefcountTable {
    final long host;
    final int clusters;
    private final int clusterBits;
    private long[] entries;
    private final DirtyPieces dirty;

    /** Whether the header leads to this table yet. */
    private boolean published;

    private RefcountTable(long host, int clusters, int clusterBits, long[] entries) {
        this.host = host;
        this.clusters = clusters;
        this.clusterBits = clusterBits;
        this.entries = entries;
        this.dirty = new DirtyPieces(clusters << clusterBits);
    }

    /** A table that the file has. */
    static RefcountTable of(long host, int clusters, int clusterBits, long[] entries) {
        RefcountTable table = new RefcountTable(host, clusters, clusterBits, entries);
        table.published = true;
        return table;
    }

    /** A table that nothing leads to yet. */
    RefcountTable movedTo(long newHost, int newClusters) {
        long[] larger = Arrays.copyOf(entries, capacity(newClusters));
        RefcountTable moved = new RefcountTable(newHost, newClusters, clusterBits, larger);
        moved.dirty.markAll();
        return moved;
    }

    boolean holds(long block) {
        return holds(block, clusters);
    }

    boolean holds(long block, int inClusters) {
        return block < (long) capacity(inClusters);
    }

    /** How many clusters a table takes that has room for some more blocks. */
    int clustersFor(long block) throws IOException {
        long wanted = Math.ceilDiv((block + 1) * 3 / 2 + 1, capacity(1));
        long most = (long) Qcow2Header.LARGEST_REFCOUNT_TABLE_BYTES >>> clusterBits;
        wanted = Math.min(wanted, most);
        if (!holds(block, (int) wanted)) {
            throw new IOException("the qcow2 file would be larger than its refcounts can count");
        }
        return (int) wanted;
    }

    /** A block whose number the table has no room for yet is taken note of all the same. */
    void put(long block, long blockHost) {
        int index = (int) block;
        if (index >= entries.length) {
            entries = Arrays.copyOf(entries, Math.max(index + 1, entries.length * 2));
        }
        entries[index] = blockHost;
        if (holds(block)) {
            dirty.mark(index * Long.BYTES);
        }
    }

    void markDirty() {
        dirty.markAll();
    }

    /**
     * Copies what differs from the file.
     *
     * @param beforeBarrier takes a table that nothing leads to yet
     * @param afterBarrier takes what leads to blocks or to this table
     */
    void takeDirty(List<MetadataWrite> beforeBarrier, List<MetadataWrite> afterBarrier) {
        dirty.take(
                host,
                (from, into) ->
                        into.asLongBuffer()
                                .put(entries, from / Long.BYTES, into.remaining() / Long.BYTES),
                published ? afterBarrier : beforeBarrier);
        if (!published) {
            ByteBuffer pointer = ByteBuffer.allocate(Long.BYTES + Integer.BYTES);
            pointer.putLong(host).putInt(clusters).flip();
            afterBarrier.add(new MetadataWrite(Qcow2Header.REFCOUNT_TABLE_OFFSET_AT, pointer));
            published = true;
        }
    }

    boolean isPublished() {
        return published;
    }

    /** The pointer to it did not reach the file. */
    void unpublish() {
        published = false;
    }

    private int capacity(int inClusters) {
        return inClusters << (clusterBits - 3);
    }
}
