package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Objects;
import java.util.Optional;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.BlockStatus;
import org.vmckpt.cow.block.ExtentVisitor;
import org.vmckpt.cow.block.StorageFile;
import org.vmckpt.cow.qcow2.NewImage.BackingName;

/**
 * A disk in a qcow2 file, on top of another disk or of nothing. An image that was opened for
 * writing is the file's only user.
 *
 * <p>Requests run in parallel. An image found damaged while it is used fails the request with a
 * {@link DamagedImageException}. Call it on platform threads: files block in the kernel.
 */
public final class Qcow2Image implements BlockDevice {
    private static final int SECTOR_BYTES = 512;

    private final StorageFile file;
    private final String name;
    private final Qcow2Header header;
    private final L2Cache l2;
    private final Backing backing;
    private final ClusterReader reader;
    private final Optional<ImageWriter> writer;
    private volatile long size;

    private Qcow2Image(ImageParts parts) {
        this.file = parts.file();
        this.name = parts.name();
        this.header = parts.header();
        this.l2 = parts.l2();
        this.backing = parts.backing();
        this.reader = parts.reader();
        this.writer = parts.writer();
        this.size = header.virtualSizeBytes();
    }

    /**
     * Opens an image that nobody writes. Owns the file and the backing disk from then on; closes
     * neither if it fails.
     *
     * @param name how errors call the file
     * @param backing the disk that the header names; whether it is the right one is not checked
     */
    public static Qcow2Image openReadOnly(
            StorageFile file, String name, Optional<BlockDevice> backing) throws VmckptException {
        return open(file, name, backing, false, Optional.empty());
    }

    /** As {@link #openReadOnly}, for writing too. Repairs an image that is marked dirty. */
    public static Qcow2Image open(StorageFile file, String name, Optional<BlockDevice> backing)
            throws VmckptException {
        return open(file, name, backing, true, Optional.empty());
    }

    /**
     * As {@link #open(StorageFile, String, Optional)}, so that nothing that was written is lost if
     * this process is killed. What an earlier one left in the log is restored first.
     */
    public static Qcow2Image open(
            StorageFile file, String name, Optional<BlockDevice> backing, EntryLog log)
            throws VmckptException {
        return open(file, name, backing, true, Optional.of(log));
    }

    private static Qcow2Image open(
            StorageFile file,
            String name,
            Optional<BlockDevice> backing,
            boolean writable,
            Optional<EntryLog> log)
            throws VmckptException {
        return new Qcow2Image(ImageParts.open(file, name, new Backing(backing), writable, log));
    }

    /** As the file was when it was opened. */
    public Qcow2Header header() {
        return header;
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public void read(ByteBuffer into, long offset) throws IOException {
        Objects.checkFromIndexSize(offset, into.remaining(), size);
        ImageWriter changing = writer.orElse(null);
        if (changing == null) {
            reader.read(into, offset);
            return;
        }
        int slot = changing.requests().enter();
        try {
            reader.read(into, offset);
        } finally {
            changing.requests().leave(slot);
        }
    }

    @Override
    public void write(ByteBuffer from, long offset) throws IOException {
        Objects.checkFromIndexSize(offset, from.remaining(), size);
        writer().write(from, offset, size);
    }

    @Override
    public void writeZeroes(long offset, long length, boolean mayUnmap) throws IOException {
        Objects.checkFromIndexSize(offset, length, size);
        writer().writeZeroes(offset, length, mayUnmap, size);
    }

    @Override
    public void discard(long offset, long length) throws IOException {
        Objects.checkFromIndexSize(offset, length, size);
        writer().discard(offset, length, size);
    }

    @Override
    public void flush() throws IOException {
        if (writer.isPresent()) {
            writer.get().flush();
        }
    }

    /** Grows the disk; the new part is zeros, whatever the backing disk holds there. */
    public synchronized void resize(long bytes) throws IOException {
        if (bytes < size || bytes % SECTOR_BYTES != 0) {
            throw new IllegalArgumentException("resize from " + size + " to " + bytes + " bytes");
        }
        writer().resize(size, bytes);
        size = bytes;
    }

    /** What this file alone says about a byte; HOLE if it leaves it to the backing disk. */
    public BlockStatus layerStatus(long offset) throws IOException {
        long entry = l2.entry(offset >>> header.clusterBits());
        if (entry == L2Entry.DAMAGED) {
            throw EntryChecks.damaged(name, offset);
        }
        if (L2Entry.isUnallocated(entry)) {
            return BlockStatus.HOLE;
        }
        return L2Entry.isZero(entry) ? BlockStatus.ZERO : BlockStatus.DATA;
    }

    /** How far the file says the same as about {@code offset}. */
    public long layerExtentEnd(long offset, long limit) throws IOException {
        BlockStatus status = layerStatus(offset);
        long end = entryEnd(offset);
        while (end < limit && layerStatus(end) == status) {
            end = entryEnd(end);
        }
        return Math.min(end, limit);
    }

    private long entryEnd(long offset) {
        boolean absent = l2.isAbsent(offset >>> header.clusterBits());
        long span = absent ? header.l2SpanBytes() : header.clusterSizeBytes();
        return (offset & -span) + span;
    }

    @Override
    public void blockStatus(long offset, long length, ExtentVisitor visitor) throws IOException {
        Objects.checkFromIndexSize(offset, length, size);
        MergedExtents merged = new MergedExtents(visitor);
        long end = offset + length;
        for (long at = offset; at < end; ) {
            BlockStatus status = layerStatus(at);
            long next = layerExtentEnd(at, end);
            if (status == BlockStatus.HOLE) {
                backing.blockStatus(at, next - at, merged);
            } else {
                merged.extent(at, next - at, status);
            }
            at = next;
        }
        merged.finish();
    }

    /** The disk below. */
    public Optional<BlockDevice> backing() {
        return backing.device();
    }

    /**
     * Reads another disk below from now on, with the same content where this file says nothing. The
     * old one stays open, for requests may still be reading it; the header stays too.
     */
    public void replaceBacking(Optional<BlockDevice> other) {
        backing.replace(other);
    }

    /** As {@link #replaceBacking}, and names it in the header, durably. */
    public void setBacking(BackingName named, Optional<BlockDevice> other) throws IOException {
        writer().setBacking(named, name);
        backing.replace(other);
    }

    /** Names another backing file in the header of an image that nobody writes, durably. */
    public static void renameBacking(StorageFile file, String name, BackingName backing)
            throws IOException {
        BackingPointer.change(file, name, backing);
    }

    public boolean isWritable() {
        return writer.isPresent();
    }

    private ImageWriter writer() throws IOException {
        return writer.orElseThrow(() -> new IOException("the qcow2 image is open for reading"));
    }

    /** Flushes, and closes the file and the backing disk. No request may be under way. */
    @Override
    public void close() throws IOException {
        try {
            if (writer.isPresent()) {
                writer.get().finish();
            }
        } finally {
            closeFiles();
        }
    }

    private void closeFiles() throws IOException {
        try {
            file.close();
        } finally {
            if (backing.device().isPresent()) {
                backing.device().get().close();
            }
        }
    }
}
