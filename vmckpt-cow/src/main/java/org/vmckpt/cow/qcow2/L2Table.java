package org.vmckpt.cow.qcow2;

import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import java.util.List;
import java.util.concurrent.atomic.AtomicLongArray;

/** One L2 table in memory. Reading an entry takes no lock; its monitor guards all else. */
final class L2Table {
    final int l1Index;
    final long host;
    private final AtomicLongArray entries;
    private final DirtyPieces dirty;
    private boolean evicted;

    /** Whether the file's L1 table may lead here, so that no entry may get there too early. */
    private boolean published;

    /** Whether the file's L1 table has to be told of this table. */
    private boolean unlisted;

    /** A hint for eviction; races do no harm. */
    private boolean used = true;

    private L2Table(int l1Index, long host, AtomicLongArray entries) {
        this.l1Index = l1Index;
        this.host = host;
        this.entries = entries;
        this.dirty = new DirtyPieces(entries.length() * Long.BYTES);
    }

    static L2Table of(int l1Index, long host, LongBuffer bytes) {
        long[] values = new long[bytes.remaining()];
        bytes.get(values);
        L2Table table = new L2Table(l1Index, host, new AtomicLongArray(values));
        table.published = true;
        return table;
    }

    /** An empty table in a cluster of its own that nothing leads to. */
    static L2Table fresh(int l1Index, long host, int entryCount) {
        L2Table table = new L2Table(l1Index, host, new AtomicLongArray(entryCount));
        table.dirty.markAll();
        table.unlisted = true;
        return table;
    }

    /** A volatile read: whoever has announced its request before it does not miss a change. */
    long get(int index) {
        if (!used) {
            used = true;
        }
        return entries.get(index);
    }

    int size() {
        return entries.length();
    }

    /** Changes an entry, unless the table is no longer the one in use. */
    synchronized boolean set(int index, long entry) {
        if (evicted) {
            return false;
        }
        entries.set(index, entry);
        dirty.mark(index * Long.BYTES);
        return true;
    }

    /** Gives the table up if the file has all of it and nobody used it lately. */
    synchronized boolean evict() {
        boolean idle = !used;
        used = false;
        evicted = evicted || (idle && dirty.isEmpty() && !unlisted);
        return evicted;
    }

    /** Copies what differs from the file. */
    synchronized void takeDirty(L2Changes changes) {
        dirty.take(
                host, this::encode, published ? changes.afterBarrier() : changes.beforeBarrier());
        if (unlisted) {
            changes.unlisted().add(this);
        }
        changes.tables().add(this);
    }

    private void encode(int from, ByteBuffer into) {
        for (int i = from / Long.BYTES; into.hasRemaining(); i++) {
            into.putLong(entries.get(i));
        }
    }

    synchronized void publish() {
        published = true;
    }

    synchronized void confirmListed() {
        unlisted = false;
    }

    synchronized boolean isListed() {
        return !unlisted;
    }

    synchronized void takeBack() {
        dirty.markAll();
    }

    /** For a list of L1 entries: each needs a table whose host cluster is counted. */
    static void publishAll(List<L2Table> tables) {
        for (L2Table table : tables) {
            table.publish();
        }
    }
}
