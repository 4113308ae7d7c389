package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.vmckpt.cow.block.StorageFile;

/**
 * Reads all tables of an image that is about to be written, eight bytes for each cluster. So no
 * cluster that is in use is ever given out, whatever the refcounts say, and nothing is written over
 * tables because an entry leads there.
 */
final class ImageScan {
    private final StorageFile file;
    private final Qcow2Header header;
    private final String name;
    private final EntryChecks checks;
    private final long fileBytes;
    private final References references;
    private final TreeMap<Long, RefcountBlock> blocks = new TreeMap<>();

    private ImageScan(StorageFile file, Qcow2Header header, String name, EntryChecks checks)
            throws IOException {
        this.file = file;
        this.header = header;
        this.name = name;
        this.checks = checks;
        this.fileBytes = file.size();
        this.references = new References(name, header.clusterBits());
    }

    /** Finds what is in use, and repairs the refcounts of an image that is marked dirty. */
    static HostClusters scan(
            StorageFile file, Qcow2Header header, String name, EntryChecks checks, long[] l1)
            throws IOException {
        return new ImageScan(file, header, name, checks).scan(l1);
    }

    private HostClusters scan(long[] l1) throws IOException {
        references.own(0, 1, "a header");
        own(header.l1OffsetBytes(), (long) l1.length * Long.BYTES, "the first-level table");
        RefcountTable table = readRefcounts();
        for (long host : l1) {
            if (host != 0) {
                references.own(host, 1, "a second-level table");
            }
        }
        for (int i = 0; i < l1.length; i++) {
            if (l1[i] != 0) {
                count(checks.readTable(file, l1[i]), i * header.l2SpanBytes());
            }
        }
        return header.dirty() ? repair(table) : check(table);
    }

    private void own(long host, long bytes, String what) throws IOException {
        DamagedImageException.expect(
                host > 0 && checks.isAligned(host) && host <= fileBytes - bytes,
                name,
                what + " inside the file, at a cluster's start",
                "offset " + host);
        references.own(host, Math.ceilDiv(bytes, header.clusterSizeBytes()), what);
    }

    private RefcountTable readRefcounts() throws IOException {
        long bytes = Integer.toUnsignedLong(header.refcountTableClusters()) << header.clusterBits();
        DamagedImageException.expect(
                bytes > 0 && bytes <= Qcow2Header.LARGEST_REFCOUNT_TABLE_BYTES,
                name,
                "a refcount table of at most 8 MiB",
                bytes + " bytes");
        long host = header.refcountTableOffsetBytes();
        own(host, bytes, "the refcount table");
        long[] entries = new long[(int) (bytes / Long.BYTES)];
        EntryChecks.readAt(file, host, (int) bytes).get(entries);
        for (int i = 0; i < entries.length; i++) {
            if (entries[i] != 0) {
                own(entries[i], header.clusterSizeBytes(), "a refcount block");
                ByteBuffer block = ByteBuffer.allocate(header.clusterSizeBytes());
                file.read(block, entries[i]);
                blocks.put(
                        (long) i,
                        RefcountBlock.of(entries[i], header.clusterBits(), block.clear()));
            }
        }
        return RefcountTable.of(
                host, header.refcountTableClusters(), header.clusterBits(), entries);
    }

    private void count(LongBuffer l2, long diskOffset) throws IOException {
        while (l2.hasRemaining()) {
            int index = l2.position();
            long entry = l2.get();
            if (entry == L2Entry.DAMAGED) {
                throw EntryChecks.damaged(
                        name, diskOffset + ((long) index << header.clusterBits()));
            } else if (L2Entry.isCompressed(entry)) {
                references.share(Drop.of(entry, header.clusterBits()));
            } else if (L2Entry.hasHost(entry)) {
                references.own(L2Entry.host(entry), 1, "data");
            }
        }
    }

    private HostClusters check(RefcountTable table) throws IOException {
        for (Map.Entry<Long, char[]> range : references.ranges().entrySet()) {
            RefcountBlock block = blocks.get(range.getKey());
            char[] found = range.getValue();
            for (int i = 0; i < found.length; i++) {
                int counted = block == null ? 0 : block.get(i);
                DamagedImageException.expect(
                        counted >= References.count(found[i]),
                        name,
                        "a refcount of at least " + References.count(found[i]),
                        counted + " for cluster " + (range.getKey() * found.length + i));
            }
        }
        // What was read is durable from here on. A killed writer may have left it otherwise, and
        // what a crash could bring back must not be counted as free.
        file.sync();
        blocks.forEach(this::recount);
        return clusters(table);
    }

    private HostClusters clusters(RefcountTable table) throws IOException {
        long end = references.end();
        if (!blocks.isEmpty()) {
            RefcountBlock last = blocks.lastEntry().getValue();
            for (int i = 0; i < last.size(); i++) {
                if (last.get(i) != 0) {
                    end = Math.max(end, blocks.lastKey() * last.size() + i + 1);
                }
            }
        }
        boolean nothingBehind = file.nextData(end << header.clusterBits()) >= fileBytes;
        long freshFrom =
                nothingBehind ? end : Math.max(end, Math.ceilDiv(fileBytes, clusterBytes()));
        return new HostClusters(file, header.clusterBits(), table, blocks, freshFrom);
    }

    /**
     * Counts anew. Until the mark is taken off, the image is one that others repair too, so the
     * order does not matter before the last barrier.
     */
    private HostClusters repair(RefcountTable table) throws IOException {
        List<Long> numbers = new ArrayList<>(references.ranges().keySet());
        long next = Math.max(references.end(), Math.ceilDiv(fileBytes, clusterBytes()));
        for (int i = 0; i < numbers.size(); i++) {
            if (!blocks.containsKey(numbers.get(i))) {
                long host = next++ << header.clusterBits();
                references.own(host, 1, "a new refcount block");
                blocks.put(numbers.get(i), RefcountBlock.fresh(host, header.clusterBits()));
                table.put(numbers.get(i), host);
                numbers.add((host >>> header.clusterBits()) >>> (header.clusterBits() - 1));
            }
        }
        blocks.forEach(this::recount);
        HostClusters clusters = clusters(table);
        RefcountChanges changes = clusters.takeDirty();
        MetadataWrite.all(changes.first(), file);
        file.sync();
        MetadataWrite.all(changes.second(), file);
        file.sync();
        clusters.confirm();
        Qcow2Header.patch(file, Qcow2Header.INCOMPATIBLE_AT, incompatibleWithoutDirty());
        file.sync();
        return clusters;
    }

    /**
     * What a crash left counted and not used is free again. But if the header has extensions that
     * are not known here, they may lead to what no table leads to, if only inside the file.
     */
    private void recount(long number, RefcountBlock block) {
        char[] found = references.ranges().get(number);
        long first = number * block.size();
        long lowerFrom = header.hasOtherExtensions() ? Math.ceilDiv(fileBytes, clusterBytes()) : 0;
        for (int i = 0; i < block.size(); i++) {
            int count = found == null ? 0 : References.count(found[i]);
            if (block.get(i) < count || (block.get(i) > count && first + i >= lowerFrom)) {
                block.set(i, count);
            }
        }
    }

    private long incompatibleWithoutDirty() throws IOException {
        return EntryChecks.readAt(file, Qcow2Header.INCOMPATIBLE_AT, Long.BYTES).get(0)
                & ~Qcow2Header.DIRTY;
    }

    private long clusterBytes() {
        return header.clusterSizeBytes();
    }
}
