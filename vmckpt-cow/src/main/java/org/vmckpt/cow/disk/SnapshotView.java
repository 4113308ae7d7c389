package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.ForwardingFile;
import org.vmckpt.cow.block.StorageFile;

/**
 * A qcow2 file as it was when one of its internal snapshots was taken: its header names the
 * first-level table of the snapshot (QEMU's docs/interop/qcow2.txt, "Snapshots").
 *
 * <p>QEMU may write to the image meanwhile: whatever a snapshot refers to is copied before it is
 * written. The snapshot must stay until the last read.
 */
final class SnapshotView extends ForwardingFile {
    private static final int L1_ENTRIES_AT = 36;
    private static final int L1_AT = 40;
    private static final int SNAPSHOT_COUNT_AT = 60;
    private static final int SNAPSHOTS_AT = 64;
    private static final int HEADER_BYTES = 72;

    /** The fixed part of a snapshot's entry. */
    private static final int ENTRY_BYTES = 40;

    private static final int ID_BYTES_AT = 12;
    private static final int NAME_BYTES_AT = 14;
    private static final int EXTRA_BYTES_AT = 36;
    private static final int MOST_SNAPSHOTS = 65536;
    private static final int LARGEST_EXTRA_BYTES = 1024;
    private static final int ALIGNMENT = 8;

    private final ByteBuffer header;

    private SnapshotView(StorageFile file, ByteBuffer header) {
        super(file);
        this.header = header;
    }

    /**
     * Finds the snapshot.
     *
     * @throws CorruptException when there is none of that name, or no table of snapshots
     */
    static SnapshotView of(ImageFile file, String name) throws VmckptException {
        ByteBuffer header = ByteBuffer.allocate(HEADER_BYTES);
        file.read(0, header);
        header.flip();
        int count = header.getInt(SNAPSHOT_COUNT_AT);
        long at = header.getLong(SNAPSHOTS_AT);
        for (int i = 0; i < count && i < MOST_SNAPSHOTS && at > 0; i++) {
            ByteBuffer entry = ByteBuffer.allocate(ENTRY_BYTES);
            file.read(at, entry);
            int idBytes = Short.toUnsignedInt(entry.getShort(ID_BYTES_AT));
            int nameBytes = Short.toUnsignedInt(entry.getShort(NAME_BYTES_AT));
            int extraBytes = entry.getInt(EXTRA_BYTES_AT);
            if (extraBytes < 0 || extraBytes > LARGEST_EXTRA_BYTES) {
                break;
            }
            ByteBuffer found = ByteBuffer.allocate(nameBytes);
            file.read(at + ENTRY_BYTES + extraBytes + idBytes, found);
            if (new String(found.array(), StandardCharsets.UTF_8).equals(name)) {
                header.putLong(L1_AT, entry.getLong(0));
                header.putInt(L1_ENTRIES_AT, entry.getInt(Long.BYTES));
                return new SnapshotView(file.storage(), header);
            }
            long entryBytes = (long) ENTRY_BYTES + extraBytes + idBytes + nameBytes;
            at += Math.ceilDiv(entryBytes, (long) ALIGNMENT) * ALIGNMENT;
        }
        throw Qcow2VmState.corrupt(file, "an internal snapshot " + name, count + " others");
    }

    @Override
    public int read(ByteBuffer into, long offset) throws IOException {
        int start = into.position();
        int count = super.read(into, offset);
        for (long at = offset; at < Math.min(offset + count, HEADER_BYTES); at++) {
            into.put((int) (start + at - offset), header.get((int) at));
        }
        return count;
    }
}
