package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Optional;
import org.vmckpt.cow.block.StorageFile;

/** What an image that is open for writing has besides a reader. */
final class ImageWriter {
    private final StorageFile file;
    private final Qcow2Header header;
    private final L2Cache l2;
    private final HostClusters clusters;
    private final Backing backing;
    private final Requests requests = new Requests();
    private final Drops drops;
    private final ClusterWriter writer;
    private final ClusterZeroer zeroer;
    private final Flusher flusher;
    private final EntryChanges changes;
    private final Optional<EntryLog> log;

    /** Under {@link #resize}. */
    private int l1Capacity;

    ImageWriter(
            StorageFile file,
            Qcow2Header header,
            L2Cache l2,
            HostClusters clusters,
            ClusterReader reader,
            Backing backing,
            String name,
            Optional<EntryLog> log) {
        this.file = file;
        this.header = header;
        this.l2 = l2;
        this.clusters = clusters;
        this.backing = backing;
        this.l1Capacity = header.l1Capacity();
        this.log = log;
        this.drops = new Drops(file, clusters, requests, header.clusterBits());
        this.changes = new EntryChanges(l2, clusters, drops, header.clusterBits(), name, log);
        ClusterHolds holds = new ClusterHolds();
        this.writer =
                new ClusterWriter(file, header, l2, clusters, changes, holds, reader, backing);
        this.zeroer = new ClusterZeroer(file, header, l2, changes, holds, writer, backing);
        this.flusher = new Flusher(file, l2, clusters, drops, log, header.l1OffsetBytes());
    }

    Requests requests() {
        return requests;
    }

    void write(ByteBuffer from, long offset, long diskBytes) throws IOException {
        int slot = requests.enter();
        try {
            writer.write(from, offset, diskBytes);
        } finally {
            requests.leave(slot);
        }
        flushIfMuchIsDirty();
    }

    void writeZeroes(long offset, long length, boolean mayUnmap, long diskBytes)
            throws IOException {
        int slot = requests.enter();
        try {
            zeroer.zero(offset, length, mayUnmap, diskBytes);
        } finally {
            requests.leave(slot);
        }
        flushIfMuchIsDirty();
    }

    void discard(long offset, long length, long diskBytes) throws IOException {
        int slot = requests.enter();
        try {
            zeroer.discard(offset, length, diskBytes);
        } finally {
            requests.leave(slot);
        }
        flushIfMuchIsDirty();
    }

    /** Restores what a killed process had not flushed, and flushes it. */
    void replayLog() throws IOException {
        if (log.isPresent()) {
            new LogReplay(header, l2, clusters, changes).run(log.get().read());
            flusher.flush();
            log.get().begin();
        }
    }

    void flush() throws IOException {
        flusher.flush();
    }

    /** A writer that nobody asks to flush must not fill memory. */
    private void flushIfMuchIsDirty() throws IOException {
        if (l2.isFullOfDirtyTables() || (log.isPresent() && log.get().isFull())) {
            flusher.flush();
        }
    }

    /** The header's size is written last: until then the disk is the old one. */
    void resize(long oldBytes, long newBytes) throws IOException {
        long entries = Qcow2Header.l1EntriesFor(newBytes, header.clusterBits());
        if (entries > Qcow2Header.LARGEST_L1_ENTRIES) {
            throw new IOException(
                    "a qcow2 disk of "
                            + newBytes
                            + " bytes needs clusters larger than "
                            + header.clusterSizeBytes());
        }
        long oldEnd = endOfOldTables(oldBytes, entries);
        if (entries > l1Capacity) {
            moveL1((int) entries);
        }
        long clusterEnd =
                Math.ceilDiv(oldBytes, header.clusterSizeBytes()) * header.clusterSizeBytes();
        long belowEnd = backing.device().map(it -> it.size()).orElse(0L);
        long zeroEnd = Math.min(newBytes, Math.max(Math.max(clusterEnd, oldEnd), belowEnd));
        if (zeroEnd > oldBytes) {
            writeZeroes(oldBytes, zeroEnd - oldBytes, true, newBytes);
        }
        flusher.exclusively(l1Offset -> {
            Qcow2Header.patch(file, Qcow2Header.VIRTUAL_SIZE_AT, newBytes);
            file.sync();
            return l1Offset;
        });
    }

    /**
     * Internal snapshots, even deleted ones, and a resize that failed leave tables behind the
     * disk's end: up to here a larger disk would show what they hold.
     */
    private long endOfOldTables(long diskBytes, long entries) {
        long tableBytes = header.l2SpanBytes();
        long end = diskBytes;
        for (long i = diskBytes / tableBytes; i < Math.min(entries, l1Capacity); i++) {
            if (!l2.isAbsent(i * header.l2EntryCount())) {
                end = (i + 1) * tableBytes;
            }
        }
        return end;
    }

    private void moveL1(int entryCount) throws IOException {
        int bytes = entryCount * Long.BYTES;
        int count = Math.ceilDiv(bytes, header.clusterSizeBytes());
        long host = clusters.allocateContiguous(count);
        flusher.exclusively(old -> {
            l2.grow(entryCount);
            file.write(l2.encodeL1(), host);
            file.sync();
            ByteBuffer pointer = ByteBuffer.allocate(Integer.BYTES + Long.BYTES);
            file.write(pointer.putInt(entryCount).putLong(host).flip(), Qcow2Header.L1_CAPACITY_AT);
            file.sync();
            int oldBytes = l1Capacity * Long.BYTES;
            drops.add(new Drop(old, Math.ceilDiv(oldBytes, header.clusterSizeBytes())));
            return host;
        });
        l1Capacity = entryCount;
    }

    void setBacking(NewImage.BackingName named, String image) throws IOException {
        BackingPointer.requireRoom(file, image, named);
        flusher.exclusively(l1Offset -> {
            BackingPointer.change(file, image, named);
            return l1Offset;
        });
    }

    /** Leaves nothing behind that is counted and not used. */
    void finish() throws IOException {
        flusher.flush();
        flusher.flush();
        file.resize(Math.min(file.size(), clusters.endBytes()));
    }
}
