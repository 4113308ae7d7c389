package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.block.StorageFile;

/**
 * The L1 table, and of the L2 tables those in use. Finding a table that is in memory takes no lock;
 * loading one locks out only those who want a table of the same stripe.
 */
final class L2Cache {
    /** About what describes 256 GiB in clusters of 64 KiB. */
    private static final long CAPACITY_BYTES = 32 << 20;

    private static final int SMALLEST_CAPACITY = 4;
    private static final int STRIPES = 64;

    private final StorageFile file;
    private final Qcow2Header header;
    private final EntryChecks checks;
    private final int entryMask;
    private final int capacity;
    private final Object[] stripes = new Object[STRIPES];
    private final Set<L2Table> dirty = ConcurrentHashMap.newKeySet();
    private final AtomicInteger loaded = new AtomicInteger();

    /** Grows under all stripes and our monitor, and is else changed one element at a time. */
    private volatile AtomicReferenceArray<@Nullable L2Table> tables;

    /** Host offsets of the tables that the file lists; grows as {@code tables}. */
    private volatile long[] l1;

    private int hand;

    L2Cache(StorageFile file, Qcow2Header header, EntryChecks checks, long[] l1) {
        this.file = file;
        this.header = header;
        this.checks = checks;
        this.entryMask = header.l2EntryCount() - 1;
        this.capacity = (int) Math.max(SMALLEST_CAPACITY, CAPACITY_BYTES >>> header.clusterBits());
        this.l1 = l1;
        this.tables = new AtomicReferenceArray<>(l1.length);
        for (int i = 0; i < STRIPES; i++) {
            stripes[i] = new Object();
        }
    }

    /** The entry of a guest cluster. */
    long entry(long cluster) throws IOException {
        int index = (int) (cluster >>> (header.clusterBits() - 3));
        L2Table table = tables.get(index);
        if (table == null) {
            if (l1[index] == 0) {
                return L2Entry.UNALLOCATED;
            }
            table = load(index);
        }
        return table.get((int) cluster & entryMask);
    }

    /** Whether no table describes the cluster, nor its neighbours up to the span's end. */
    boolean isAbsent(long cluster) {
        int index = (int) (cluster >>> (header.clusterBits() - 3));
        return tables.get(index) == null && l1[index] == 0;
    }

    /** Changes an entry in memory; the next flush takes it to the file. */
    void set(long cluster, long entry, HostClusters clusters) throws IOException {
        int index = (int) (cluster >>> (header.clusterBits() - 3));
        L2Table table;
        do {
            table = tables.get(index);
            if (table == null) {
                table = l1[index] == 0 ? create(index, clusters) : load(index);
            }
        } while (!table.set((int) cluster & entryMask, entry));
        dirty.add(table);
    }

    boolean hasDirtyTables() {
        return !dirty.isEmpty();
    }

    /** Whether so much is waiting for a flush that memory might not hold it. */
    boolean isFullOfDirtyTables() {
        return dirty.size() > capacity / 2;
    }

    L2Changes takeDirty() {
        L2Changes changes = new L2Changes();
        for (Iterator<L2Table> it = dirty.iterator(); it.hasNext(); ) {
            L2Table table = it.next();
            it.remove();
            table.takeDirty(changes);
        }
        return changes;
    }

    void takeBack(L2Changes changes) {
        for (L2Table table : changes.tables()) {
            table.takeBack();
            dirty.add(table);
        }
    }

    /** Makes room for a larger disk. */
    void grow(int entryCount) {
        withStripesFrom(0, () -> growLocked(entryCount));
    }

    private synchronized void growLocked(int entryCount) {
        AtomicReferenceArray<@Nullable L2Table> larger = new AtomicReferenceArray<>(entryCount);
        for (int i = 0; i < tables.length(); i++) {
            larger.set(i, tables.get(i));
        }
        l1 = Arrays.copyOf(l1, entryCount);
        tables = larger;
    }

    private void withStripesFrom(int stripe, Runnable action) {
        if (stripe == STRIPES) {
            action.run();
            return;
        }
        synchronized (stripes[stripe]) {
            withStripesFrom(stripe + 1, action);
        }
    }

    /** The L1 table for a new place in the file, without those that the file has not got yet. */
    ByteBuffer encodeL1() {
        ByteBuffer bytes = ByteBuffer.allocate(l1.length * Long.BYTES);
        for (int i = 0; i < l1.length; i++) {
            L2Table table = tables.get(i);
            boolean listed = l1[i] != 0 && (table == null || table.isListed());
            bytes.putLong(listed ? l1[i] | L2Entry.COPIED : 0);
        }
        return bytes.flip();
    }

    private L2Table load(int index) throws IOException {
        synchronized (stripes[index & (STRIPES - 1)]) {
            L2Table table = tables.get(index);
            if (table == null) {
                table = L2Table.of(index, l1[index], checks.readTable(file, l1[index]));
                put(index, table);
            }
            return table;
        }
    }

    private L2Table create(int index, HostClusters clusters) throws IOException {
        synchronized (stripes[index & (STRIPES - 1)]) {
            L2Table table = tables.get(index);
            if (table == null) {
                long host = clusters.allocate(1).host();
                table = L2Table.fresh(index, host, header.l2EntryCount());
                dirty.add(table);
                l1[index] = host;
                put(index, table);
            }
            return table;
        }
    }

    private void put(int index, L2Table table) {
        tables.set(index, table);
        if (loaded.incrementAndGet() > capacity) {
            evictSome();
        }
    }

    /** Goes round like a clock's hand, and gives up the tables that nobody used since its last. */
    private synchronized void evictSome() {
        int length = tables.length();
        int target = capacity - capacity / 8;
        for (int steps = 0; steps < 2 * length && loaded.get() > target; steps++) {
            hand = (hand + 1) % length;
            L2Table table = tables.get(hand);
            if (table != null && table.evict()) {
                tables.set(hand, null);
                loaded.decrementAndGet();
            }
        }
    }
}
