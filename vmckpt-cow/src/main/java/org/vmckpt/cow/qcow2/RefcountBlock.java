package org.vmckpt.cow.qcow2;

import java.nio.ByteBuffer;
import java.util.List;

/** The refcounts of neighbouring host clusters, 16 bits each. {@link HostClusters} guards it. */
final class RefcountBlock {
    static final int LARGEST_COUNT = 0xffff;

    final long host;
    private final short[] counts;
    private final DirtyPieces dirty;

    private RefcountBlock(long host, int clusterBits) {
        this.host = host;
        this.counts = new short[1 << (clusterBits - 1)];
        this.dirty = new DirtyPieces(1 << clusterBits);
    }

    static RefcountBlock fresh(long host, int clusterBits) {
        RefcountBlock block = new RefcountBlock(host, clusterBits);
        block.dirty.markAll();
        return block;
    }

    static RefcountBlock of(long host, int clusterBits, ByteBuffer bytes) {
        RefcountBlock block = new RefcountBlock(host, clusterBits);
        bytes.asShortBuffer().get(block.counts);
        return block;
    }

    int get(int index) {
        return counts[index] & 0xffff;
    }

    void set(int index, int count) {
        counts[index] = (short) count;
        dirty.mark(index * Short.BYTES);
    }

    int size() {
        return counts.length;
    }

    boolean isDirty() {
        return !dirty.isEmpty();
    }

    void markAllDirty() {
        dirty.markAll();
    }

    void takeDirty(List<MetadataWrite> writes) {
        dirty.take(
                host,
                (from, into) ->
                        into.asShortBuffer()
                                .put(counts, from / Short.BYTES, into.remaining() / Short.BYTES),
                writes);
    }
}
