package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.vmckpt.cow.block.StorageFile;

/**
 * Takes metadata from memory to the file, in an order in which a crash at any instant leaves at
 * worst clusters that are counted and not used (docs/qcow2.md):
 *
 * <ol>
 *   <li>refcounts, and tables that nothing leads to yet; a barrier, for these and for the data
 *   <li>pointers to new refcount blocks, if there are any; a barrier
 *   <li>L2 entries and L1 entries; a barrier
 *   <li>only then are dropped clusters on their way to being free
 * </ol>
 *
 * <p>What changes meanwhile belongs to the next flush: everything is copied at the beginning. A
 * flush also serves all who ask for one before it begins.
 */
final class Flusher {
    private final StorageFile file;
    private final L2Cache l2;
    private final HostClusters clusters;
    private final Drops drops;
    private final Optional<EntryLog> log;
    private final ReentrantLock lock = new ReentrantLock();

    /** The lock guards these; {@code begun} may be read by all. */
    private long l1Offset;

    private volatile long begun;
    private long done;

    /** After a failed barrier nobody knows what the file holds, and asking again proves nothing. */
    private volatile boolean broken;

    Flusher(
            StorageFile file,
            L2Cache l2,
            HostClusters clusters,
            Drops drops,
            Optional<EntryLog> log,
            long l1Offset) {
        this.file = file;
        this.l2 = l2;
        this.clusters = clusters;
        this.drops = drops;
        this.log = log;
        this.l1Offset = l1Offset;
    }

    void flush() throws IOException {
        long wanted = begun + 1;
        lock.lock();
        try {
            if (done < wanted) {
                flushNow();
            }
        } finally {
            lock.unlock();
        }
    }

    /**
     * Something that changes what the header leads to, alone, with all before it durable, and
     * durable itself when it returns. If it fails the image has to be opened again.
     */
    interface Change {
        /** Returns where the L1 table is now. */
        long make(long l1Offset) throws IOException;
    }

    void exclusively(Change change) throws IOException {
        lock.lock();
        try {
            flushNow();
            boolean made = false;
            try {
                l1Offset = change.make(l1Offset);
                made = true;
            } finally {
                broken |= !made;
            }
            flushNow();
        } finally {
            lock.unlock();
        }
    }

    private void flushNow() throws IOException {
        if (broken) {
            throw new IOException(
                    "an earlier sync of the qcow2 file failed, so what it holds is not known; open"
                            + " it again");
        }
        long number = begun + 1;
        begun = number;
        // This order matters: what a later step copies covers what an earlier one found.
        long mark = log.map(EntryLog::mark).orElse(0L);
        List<Drop> taken = drops.take();
        L2Changes entries = l2.takeDirty();
        RefcountChanges refcounts;
        try {
            refcounts = clusters.takeDirty();
        } catch (IOException | RuntimeException e) {
            l2.takeBack(entries);
            drops.takeBack(taken);
            throw e;
        }
        boolean written = false;
        try {
            write(entries, refcounts);
            written = true;
        } finally {
            if (!written) {
                clusters.takeBack(refcounts);
                l2.takeBack(entries);
                drops.takeBack(taken);
            }
        }
        // Before any cluster is free: the log must not say what it was used for.
        if (log.isPresent()) {
            log.get().confirm(mark);
        }
        clusters.confirm();
        drops.confirm(taken);
        drops.freeWhatNobodyUses();
        done = number;
    }

    private void write(L2Changes entries, RefcountChanges refcounts) throws IOException {
        MetadataWrite.all(refcounts.first(), file);
        MetadataWrite.all(entries.beforeBarrier(), file);
        barrier();
        L2Table.publishAll(entries.unlisted());
        if (!refcounts.second().isEmpty()) {
            writeOrBreak(refcounts.second());
            barrier();
        }
        List<MetadataWrite> last = new ArrayList<>(entries.afterBarrier());
        for (L2Table table : entries.unlisted()) {
            last.add(l1Entry(table));
        }
        if (!last.isEmpty()) {
            MetadataWrite.all(last, file);
            barrier();
            entries.unlisted().forEach(L2Table::confirmListed);
        }
    }

    private MetadataWrite l1Entry(L2Table table) {
        ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES);
        bytes.putLong(table.host | L2Entry.COPIED).flip();
        return new MetadataWrite(l1Offset + (long) table.l1Index * Long.BYTES, bytes);
    }

    /** Half of it in the file would be in the way of a second try. */
    private void writeOrBreak(List<MetadataWrite> writes) throws IOException {
        boolean written = false;
        try {
            MetadataWrite.all(writes, file);
            written = true;
        } finally {
            broken |= !written;
        }
    }

    private void barrier() throws IOException {
        boolean synced = false;
        try {
            file.sync();
            synced = true;
        } finally {
            broken |= !synced;
        }
    }
}
