package org.vmckpt.cow.disk;

import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.qcow2.Qcow2Header;

/**
 * The VM state in the one internal snapshot of a qcow2 file. QEMU puts it where the disk would go
 * on past its end, in the snapshot's own first-level table (QEMU's docs/interop/qcow2.txt,
 * "Snapshots").
 *
 * <p>The state itself has no checksum. All that leads to it is checked as far as the format allows:
 * every size that the file has twice, and that no cluster serves two ends.
 */
final class Qcow2VmState {
    private static final long OFFSET_MASK = 0x00ff_ffff_ffff_fe00L;

    /** Says that nothing else refers to a cluster; QEMU lets it grow stale in a snapshot. */
    private static final long COPIED_FLAG = 1L << 63;

    private static final int HEADER_BYTES = 72;
    private static final int L1_ENTRIES_AT = 36;
    private static final int L1_AT = 40;
    private static final int REFCOUNT_TABLE_AT = 48;
    private static final int REFCOUNT_TABLE_CLUSTERS_AT = 56;
    private static final int SNAPSHOT_COUNT_AT = 60;
    private static final int SNAPSHOTS_AT = 64;

    /** Of one snapshot, up to the virtual size: QEMU has written that since 1.1. */
    private static final int SNAPSHOT_BYTES = 56;

    private static final int SHORT_STATE_SIZE_AT = 32;
    private static final int EXTRA_SIZE_AT = 36;
    private static final int STATE_SIZE_AT = 40;
    private static final int VIRTUAL_SIZE_AT = 48;
    private static final int SMALLEST_EXTRA_BYTES = 16;

    private final ImageFile file;
    private final Qcow2Header header;
    private final ClusterUse use;

    private Qcow2VmState(ImageFile file, Qcow2Header header) {
        this.file = file;
        this.header = header;
        this.use = new ClusterUse(file, header.clusterSizeBytes());
    }

    /**
     * The whole state.
     *
     * @param limitBytes more than that is refused
     */
    static byte[] read(ImageFile file, int limitBytes) throws VmckptException {
        return new Qcow2VmState(file, Qcow2Header.read(file.storage(), file.path().toString()))
                .read(limitBytes);
    }

    private byte[] read(int limitBytes) throws VmckptException {
        ByteBuffer start = bytesAt(0, HEADER_BYTES);
        claimHeader(start);
        int count = start.getInt(SNAPSHOT_COUNT_AT);
        expect(count == 1, "one snapshot", count);
        long at = start.getLong(SNAPSHOTS_AT);
        use.claim(at, SNAPSHOT_BYTES, "a snapshot table");
        ByteBuffer snapshot = bytesAt(at, SNAPSHOT_BYTES);
        ByteBuffer state = ByteBuffer.allocate(checkedSize(snapshot, limitBytes));
        readState(snapshot.getLong(0), snapshot.getInt(8), state);
        return state.array();
    }

    /** What the header refers to, besides the snapshot. */
    private void claimHeader(ByteBuffer start) throws VmckptException {
        use.claim(0, HEADER_BYTES, "a header");
        claimTable(start.getLong(L1_AT), unsigned(start, L1_ENTRIES_AT), "first-level");
        long refcountBytes =
                unsigned(start, REFCOUNT_TABLE_CLUSTERS_AT) * header.clusterSizeBytes();
        claimTable(start.getLong(REFCOUNT_TABLE_AT), refcountBytes / Long.BYTES, "refcount");
    }

    /** A table, and one cluster for each of its entries that is in use. */
    private void claimTable(long at, long entryCount, String what) throws VmckptException {
        use.claim(at, entryCount * Long.BYTES, "a " + what + " table");
        LongBuffer entries = entriesAt(at, Math.toIntExact(entryCount));
        while (entries.hasRemaining()) {
            long entry = entries.get();
            if (entry != 0) {
                long cluster = offsetIn(entry);
                use.claim(cluster, header.clusterSizeBytes(), "what a " + what + " entry names");
            }
        }
    }

    private int checkedSize(ByteBuffer snapshot, int limitBytes) throws VmckptException {
        int extraBytes = snapshot.getInt(EXTRA_SIZE_AT);
        expect(
                extraBytes >= SMALLEST_EXTRA_BYTES,
                "a snapshot with the sizes of state and disk",
                extraBytes + " bytes for them");
        long disk = snapshot.getLong(VIRTUAL_SIZE_AT);
        expect(
                disk == header.virtualSizeBytes(),
                "a snapshot of a disk of " + header.virtualSizeBytes() + " bytes",
                disk);
        long size = snapshot.getLong(STATE_SIZE_AT);
        long shortSize = unsigned(snapshot, SHORT_STATE_SIZE_AT);
        expect(
                shortSize == (size >>> Integer.SIZE == 0 ? size : 0),
                "one size of the state",
                size + " and " + shortSize);
        expect(size > 0 && size <= file.sizeBytes(), "a state that fits into the file", size);
        if (size > limitBytes) {
            throw new UnsupportedException(
                    "checkpoint: the device state is "
                            + size
                            + " bytes, larger than "
                            + limitBytes
                            + ": the guest has more RAM outside its shared memory backends");
        }
        return (int) size;
    }

    private void readState(long l1At, int l1Entries, ByteBuffer state) throws VmckptException {
        int first = header.l1EntryCount();
        int tables = Math.toIntExact(Math.ceilDiv(state.remaining(), header.l2SpanBytes()));
        expect(
                l1Entries >= first + tables,
                first + tables + " first-level entries of the snapshot",
                l1Entries);
        use.claim(l1At, (long) l1Entries * Long.BYTES, "the snapshot's first-level table");
        LongBuffer l1 = entriesAt(l1At + (long) first * Long.BYTES, tables);
        while (state.hasRemaining()) {
            long table = offsetIn(l1.get());
            use.claim(table, header.clusterSizeBytes(), "a second-level table of the snapshot");
            readClusters(entriesAt(table, header.l2EntryCount()), state);
        }
    }

    private void readClusters(LongBuffer l2, ByteBuffer state) throws VmckptException {
        while (l2.hasRemaining()) {
            long entry = l2.get();
            if (state.hasRemaining()) {
                readCluster(offsetIn(entry), state);
            } else if (entry != 0) {
                // Allocated beforehand, for a larger state than this one.
                use.claim(offsetIn(entry), 1, "room for a larger state");
            }
        }
    }

    private void readCluster(long cluster, ByteBuffer state) throws VmckptException {
        int count = Math.min(header.clusterSizeBytes(), state.remaining());
        use.claim(cluster, count, "the guest's state");
        file.read(cluster, state.slice(state.position(), count));
        state.position(state.position() + count);
    }

    /** No entry is empty, compressed or all zeros: QEMU writes the state from start to end. */
    private long offsetIn(long entry) throws CorruptException {
        expect(
                (entry & ~(OFFSET_MASK | COPIED_FLAG)) == 0,
                "an entry that leads to a cluster",
                "0x" + Long.toHexString(entry));
        return entry & OFFSET_MASK;
    }

    private LongBuffer entriesAt(long offset, int count) throws StorageException {
        return bytesAt(offset, count * Long.BYTES).asLongBuffer();
    }

    /** Call it for bytes whose clusters are claimed: those lie inside the file. */
    private ByteBuffer bytesAt(long offset, int count) throws StorageException {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        file.read(offset, bytes);
        return bytes.flip();
    }

    private static long unsigned(ByteBuffer bytes, int at) {
        return Integer.toUnsignedLong(bytes.getInt(at));
    }

    private void expect(boolean condition, String expected, Object found) throws CorruptException {
        if (!condition) {
            throw corrupt(file, expected, found);
        }
    }

    static CorruptException corrupt(ImageFile file, String expected, Object found) {
        return new CorruptException(
                "reading qcow2 file "
                        + file.path()
                        + ": expected "
                        + expected
                        + ", found "
                        + found
                        + "; run qemu-img check on it");
    }
}
