package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.cow.block.StorageFile;

/**
 * Which host clusters are in use. All refcounts are in memory, two bytes for each cluster of the
 * file; the file gets them with the next flush. Thread-safe; but for the file's growth nothing here
 * waits for I/O.
 *
 * <p>A refcount block lies among the clusters that it counts, so that it can be published alone.
 */
final class HostClusters {
    /** A run of host clusters that nobody used before. */
    record Run(long host, int count, boolean zeros) {}

    private static final long GROWTH_BYTES = 8 << 20;
    private static final int GROWTH_CLUSTERS = 16;
    private static final long LARGEST_OFFSET = 1L << 56;

    private final StorageFile file;
    private final int clusterBits;
    private final int blockBits;
    private final NavigableMap<Long, RefcountBlock> blocks;
    private final EmptyClusters empty;

    /** All below is guarded by this object. */
    private RefcountTable table;

    private Optional<RefcountTable> obsoleteTable = Optional.empty();
    private long lowestFree;
    private long fileBytes;

    /**
     * Takes over what a scan found.
     *
     * @param freshFrom the first host cluster from which on the file is known to hold nothing
     */
    HostClusters(
            StorageFile file,
            int clusterBits,
            RefcountTable table,
            NavigableMap<Long, RefcountBlock> blocks,
            long freshFrom)
            throws IOException {
        this.file = file;
        this.clusterBits = clusterBits;
        this.blockBits = clusterBits - 1;
        this.table = table;
        this.blocks = blocks;
        this.empty = new EmptyClusters(freshFrom);
        this.fileBytes = file.size();
    }

    /** Takes at least one and at most {@code wanted} clusters that lie side by side. */
    synchronized Run allocate(int wanted) throws IOException {
        long first = nextFree(lowestFree);
        RefcountBlock block = blockOf(first);
        boolean zeros = empty.isEmpty(first);
        int count = 0;
        int index = indexOf(first);
        while (count < wanted
                && index + count < block.size()
                && block.get(index + count) == 0
                && empty.isEmpty(first + count) == zeros) {
            count++;
        }
        growFile(first + count);
        take(first, count);
        lowestFree = first + count;
        return new Run(first << clusterBits, count, zeros);
    }

    /**
     * Takes certain clusters if nobody has any of them. An allocation by another process of ours
     * chose them, so in each range one is left for its refcount block.
     */
    synchronized boolean claim(Set<Long> hosts) throws IOException {
        for (long host : hosts) {
            if (countOf(host >>> clusterBits) != 0) {
                return false;
            }
        }
        for (long host : hosts) {
            long cluster = host >>> clusterBits;
            growFile(cluster + 1);
            if (!blocks.containsKey(cluster >>> blockBits)) {
                long place = cluster & -(1L << blockBits);
                while (hosts.contains(place << clusterBits)) {
                    place++;
                }
                addBlock(cluster >>> blockBits, place);
            }
            take(cluster, 1);
        }
        return true;
    }

    /** Takes clusters that lie side by side, behind all that are in use. */
    synchronized long allocateContiguous(int count) throws IOException {
        long first = end();
        List<Long> missing = missingBlocks(first, count);
        while (missing.size() < missingBlocks(first, count + missing.size()).size()) {
            missing = missingBlocks(first, count + missing.size());
        }
        growFile(first + count + missing.size());
        long place = first + count;
        for (long number : missing) {
            putBlock(number, place++);
        }
        take(first, count + missing.size());
        return first << clusterBits;
    }

    private List<Long> missingBlocks(long first, int count) {
        List<Long> missing = new ArrayList<>();
        for (long n = first >>> blockBits; n <= (first + count - 1) >>> blockBits; n++) {
            if (!blocks.containsKey(n)) {
                missing.add(n);
            }
        }
        return missing;
    }

    /** Whether giving one use of the cluster back would free it. */
    synchronized boolean isLastUse(long host) {
        return countOf(host >>> clusterBits) == 1;
    }

    /**
     * Gives one use of each cluster of a run back.
     *
     * @param zeros whether the run reads as zeros
     */
    synchronized void release(long host, int count, boolean zeros) {
        long first = host >>> clusterBits;
        for (long cluster = first; cluster < first + count; cluster++) {
            RefcountBlock block = blockOf(cluster);
            int left = block.get(indexOf(cluster)) - 1;
            block.set(indexOf(cluster), left);
            if (left == 0) {
                empty.free(cluster, zeros);
                lowestFree = Math.min(lowestFree, cluster);
            }
        }
    }

    /** The file's size if nothing that is free lay at its end. */
    synchronized long endBytes() {
        return end() << clusterBits;
    }

    /** Copies what differs from the file, and the old table if it has to move. */
    synchronized RefcountChanges takeDirty() throws IOException {
        moveTableIfNeeded();
        List<RefcountBlock> dirty = new ArrayList<>();
        List<MetadataWrite> first = new ArrayList<>();
        for (RefcountBlock block : blocks.values()) {
            if (block.isDirty()) {
                dirty.add(block);
                block.takeDirty(first);
            }
        }
        List<MetadataWrite> second = new ArrayList<>();
        table.takeDirty(first, second);
        return new RefcountChanges(first, second, dirty);
    }

    private void moveTableIfNeeded() throws IOException {
        while (!table.holds(blocks.lastKey())) {
            int clusters = table.clustersFor(blocks.lastKey());
            RefcountTable moved = table.movedTo(allocateContiguous(clusters), clusters);
            if (table.isPublished()) {
                obsoleteTable = Optional.of(table);
            } else {
                release(table.host, table.clusters, false);
            }
            table = moved;
        }
    }

    /** Nothing of {@code changes} has reached the file for certain. */
    synchronized void takeBack(RefcountChanges changes) {
        for (RefcountBlock block : changes.blocks()) {
            block.markAllDirty();
        }
        table.markDirty();
        if (obsoleteTable.isPresent()) {
            table.unpublish();
        }
    }

    /** All that was taken is durable, so the file needs an older table no more. */
    synchronized void confirm() {
        obsoleteTable.ifPresent(old -> release(old.host, old.clusters, false));
        obsoleteTable = Optional.empty();
    }

    /** Whole steps, so that few writes have to change the file's size. */
    private void growFile(long endCluster) throws IOException {
        long end = endCluster << clusterBits;
        if (end > LARGEST_OFFSET) {
            throw new IOException("the qcow2 file would pass 64 PiB");
        }
        if (end > fileBytes) {
            long step = Math.max(GROWTH_BYTES, (long) GROWTH_CLUSTERS << clusterBits);
            long grown = Math.ceilDiv(end, step) * step;
            file.resize(grown);
            fileBytes = grown;
        }
    }

    private void take(long first, int count) {
        for (long cluster = first; cluster < first + count; cluster++) {
            blockOf(cluster).set(indexOf(cluster), 1);
        }
        empty.use(first, count);
    }

    /** A free cluster whose range has a refcount block. */
    private long nextFree(long from) throws IOException {
        for (long at = from; ; at = nextBlockStart(at)) {
            RefcountBlock block = blocks.get(at >>> blockBits);
            if (block == null) {
                block = addBlock(at >>> blockBits, at);
            }
            for (int i = indexOf(at); i < block.size(); i++) {
                if (block.get(i) == 0) {
                    return (at & -(1L << blockBits)) + i;
                }
            }
        }
    }

    private RefcountBlock addBlock(long number, long cluster) throws IOException {
        growFile(cluster + 1);
        RefcountBlock block = putBlock(number, cluster);
        take(cluster, 1);
        return block;
    }

    private RefcountBlock putBlock(long number, long cluster) {
        RefcountBlock block = RefcountBlock.fresh(cluster << clusterBits, clusterBits);
        blocks.put(number, block);
        table.put(number, block.host);
        return block;
    }

    /** Of a cluster that was in use, or is about to be. */
    private RefcountBlock blockOf(long cluster) {
        return Objects.requireNonNull(blocks.get(cluster >>> blockBits));
    }

    private long countOf(long cluster) {
        RefcountBlock block = blocks.get(cluster >>> blockBits);
        return block == null ? 0 : block.get(indexOf(cluster));
    }

    private long end() {
        for (Map.Entry<Long, RefcountBlock> entry : blocks.descendingMap().entrySet()) {
            RefcountBlock block = entry.getValue();
            for (int i = block.size() - 1; i >= 0; i--) {
                if (block.get(i) != 0) {
                    return (entry.getKey() << blockBits) + i + 1;
                }
            }
        }
        return 0;
    }

    private int indexOf(long cluster) {
        return (int) (cluster & ((1L << blockBits) - 1));
    }

    private long nextBlockStart(long cluster) {
        return ((cluster >>> blockBits) + 1) << blockBits;
    }
}
