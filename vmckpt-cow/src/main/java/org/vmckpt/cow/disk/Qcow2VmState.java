package org.vmckpt.cow.disk;

import java.nio.ByteBuffer;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/**
 * The VM state in the one internal snapshot of a qcow2 file. QEMU puts it where the disk would go
 * on past its end, in the snapshot's own first-level table (QEMU's docs/interop/qcow2.txt,
 * "Snapshots").
 */
final class Qcow2VmState {
    private static final long OFFSET_MASK = 0x00ff_ffff_ffff_fe00L;
    private static final int SNAPSHOT_COUNT_AT = 60;
    private static final int SNAPSHOTS_AT = 64;
    private static final int HEADER_BYTES = 72;
    private static final int ENTRY_BYTES = 48;
    private static final int SMALLEST_EXTRA_BYTES = 8;

    private final ImageFile file;
    private final Qcow2Header header;

    private Qcow2VmState(ImageFile file, Qcow2Header header) {
        this.file = file;
        this.header = header;
    }

    static byte[] read(ImageFile file, int limitBytes) throws VmckptException {
        return new Qcow2VmState(file, Qcow2Header.read(file)).read(limitBytes);
    }

    private byte[] read(int limitBytes) throws VmckptException {
        ByteBuffer start = bytesAt(0, HEADER_BYTES);
        expect(start.getInt(SNAPSHOT_COUNT_AT) == 1, "one snapshot", start.getInt(60) + " of them");
        ByteBuffer snapshot = bytesAt(start.getLong(SNAPSHOTS_AT), ENTRY_BYTES);
        int extraBytes = snapshot.getInt(36);
        expect(extraBytes >= SMALLEST_EXTRA_BYTES, "the state's size", extraBytes + " bytes");
        long size = snapshot.getLong(40);
        expect(size >= 0, "a state's size", size);
        if (size > limitBytes) {
            throw new UnsupportedException(
                    "checkpoint: the device state is "
                            + size
                            + " bytes, larger than "
                            + limitBytes
                            + ": the guest has more RAM outside its shared memory backends");
        }
        ByteBuffer state = ByteBuffer.allocate((int) size);
        readState(snapshot.getLong(0), snapshot.getInt(8), state);
        return state.array();
    }

    private void readState(long l1Offset, int l1Entries, ByteBuffer state) throws VmckptException {
        int tables = Math.ceilDiv(state.remaining(), (int) Math.min(span(), 1 << 30));
        int first = header.l1EntryCount();
        expect(first + tables <= l1Entries, "tables for the state", l1Entries + " entries");
        for (int i = 0; i < tables; i++) {
            long l1Entry = bytesAt(l1Offset + 8L * (first + i), 8).getLong(0);
            ByteBuffer l2 = bytesAt(l1Entry & OFFSET_MASK, header.clusterSizeBytes());
            for (int j = 0; j < header.l2EntryCount() && state.hasRemaining(); j++) {
                long cluster = l2.getLong(8 * j) & OFFSET_MASK;
                expect(cluster != 0, "a cluster of the state", "none");
                int count = Math.min(header.clusterSizeBytes(), state.remaining());
                file.read(cluster, state.slice(state.position(), count));
                state.position(state.position() + count);
            }
        }
    }

    private long span() {
        return header.l2SpanBytes();
    }

    private ByteBuffer bytesAt(long offset, int count) throws VmckptException {
        expect(
                offset >= 0 && offset <= file.sizeBytes() - count,
                count + " bytes of metadata inside the file",
                "offset " + offset);
        ByteBuffer bytes = ByteBuffer.allocate(count);
        file.read(offset, bytes);
        return bytes;
    }

    private void expect(boolean condition, String expected, Object found) throws VmckptException {
        if (!condition) {
            throw Qcow2Header.corrupt(file, expected, found);
        }
    }
}
