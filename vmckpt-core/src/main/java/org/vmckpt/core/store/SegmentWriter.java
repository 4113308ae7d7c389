package org.vmckpt.core.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/**
 * Writes one segment, from any number of threads; each compresses what it appends itself, and only
 * the choice of a place in the file is made one by one.
 */
public final class SegmentWriter implements AutoCloseable {
    private final StoreDirectory directory;
    private final Path temporary;
    private final FileChannel channel;
    private final SegmentHeader header;
    private final UnpublishedSegments unpublished;
    private final ZeroDetector zeroDetector;
    private final ConcurrentLinkedQueue<BlockEncoder> idleEncoders = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean closed = new AtomicBoolean();
    private volatile boolean urgent;

    /** Guards index, nextOffset and broken. */
    private final Object placing = new Object();

    private final IndexBuilder index;
    private long nextOffset = SegmentFormat.HEADER_BYTES;
    private boolean broken;

    /** The caller has told {@code unpublished} that a writer opens. */
    SegmentWriter(
            StoreDirectory directory,
            Path temporary,
            SegmentHeader header,
            UnpublishedSegments unpublished)
            throws VmckptException {
        this.directory = directory;
        this.temporary = temporary;
        this.header = header;
        this.unpublished = unpublished;
        this.zeroDetector = new ZeroDetector(header.unitSizeBytes());
        this.index = new IndexBuilder(header);
        try {
            this.channel = DurableFiles.create(temporary);
        } catch (IOException e) {
            throw directory.failure("start a segment", temporary, e);
        }
    }

    /** Whether it is more urgent to have units stored than to have them small. */
    public void hurry(boolean isUrgent) {
        urgent = isUrgent;
    }

    /**
     * Stores units. Those that are all zeros are only noted. Each unit at most once per segment.
     *
     * @param units unit numbers, in any order; only the first {@code count} count
     * @param data {@code count * unitSize} bytes from its position on; position and limit are left
     *     as they are; a direct buffer saves a copy
     */
    public void append(long[] units, int count, ByteBuffer data) throws VmckptException {
        int unitSize = header.unitSizeBytes();
        if (data.remaining() < (long) count * unitSize) {
            throw new IllegalArgumentException(
                    count + " units of " + unitSize + " bytes, but " + data.remaining() + " given");
        }
        for (int i = 0; i < count; i++) {
            checkRange(units[i], 1);
        }
        BlockEncoder encoder = idleEncoders.poll();
        if (encoder == null) {
            encoder = new BlockEncoder(header);
        }
        try {
            encoder.hurry(urgent);
            ByteBuffer view = data.duplicate();
            for (int first = 0; first < count; first += header.unitsPerBlock()) {
                int end = Math.min(count, first + header.unitsPerBlock());
                appendBlock(encoder, units, first, end, view, data.position());
            }
        } finally {
            idleEncoders.add(encoder);
        }
    }

    private void appendBlock(
            BlockEncoder encoder, long[] units, int first, int end, ByteBuffer data, int base)
            throws VmckptException {
        int unitSize = header.unitSizeBytes();
        int stored = 0;
        for (int i = first; i < end; i++) {
            int offset = base + i * unitSize;
            if (!zeroDetector.isZero(data, offset)) {
                encoder.units[stored++] = units[i];
            }
        }
        if (stored < end - first) {
            noteZeros(encoder, stored, units, first, end);
        }
        if (stored == 0) {
            return;
        }
        int offset = base + first * unitSize;
        if (data.isDirect() && stored == end - first) {
            data.limit(base + end * unitSize).position(offset);
            place(encoder, encoder.encode(data), stored);
        } else {
            place(
                    encoder,
                    encoder.encode(gather(encoder, stored, units, first, data, base)),
                    stored);
        }
    }

    /** Copies the block's data units together. */
    private ByteBuffer gather(
            BlockEncoder encoder, int stored, long[] units, int first, ByteBuffer data, int base) {
        int unitSize = header.unitSizeBytes();
        ByteBuffer gathered = encoder.gathered().clear();
        int i = first;
        for (int next = 0; next < stored; i++) {
            if (units[i] == encoder.units[next]) {
                gathered.put(gathered.position(), data, base + i * unitSize, unitSize);
                gathered.position(gathered.position() + unitSize);
                next++;
            }
        }
        return gathered.flip();
    }

    private void noteZeros(BlockEncoder encoder, int stored, long[] units, int first, int end) {
        synchronized (placing) {
            int next = 0;
            for (int i = first; i < end; i++) {
                if (next < stored && units[i] == encoder.units[next]) {
                    next++;
                } else {
                    addZeros(units[i], 1);
                }
            }
        }
    }

    private void place(BlockEncoder encoder, ByteBuffer block, int unitCount)
            throws VmckptException {
        int length = block.remaining();
        long offset;
        synchronized (placing) {
            boolean added = false;
            try {
                checkIndexSize();
                index.addBlock(
                        encoder.encoding(), length, encoder.units, unitCount, encoder.digest);
                added = true;
            } finally {
                broken |= !added;
            }
            offset = nextOffset;
            nextOffset += length;
        }
        write(block, offset);
    }

    private void checkIndexSize() throws UnsupportedException {
        if (index.sizeBytes() > SegmentFormat.MAX_INDEX_BYTES / 2) {
            throw new UnsupportedException(
                    "write a segment in store "
                            + directory.root()
                            + ": its index outgrows the format's limit; the guest is too large for"
                            + " one segment per RAM block or disk");
        }
    }

    private void write(ByteBuffer bytes, long offset) throws VmckptException {
        boolean written = false;
        try {
            DurableFiles.writeFully(channel, bytes, offset);
            written = true;
        } catch (IOException e) {
            throw directory.failure("write a segment", temporary, e);
        } finally {
            if (!written) {
                synchronized (placing) {
                    broken = true;
                }
            }
        }
    }

    /** Notes that units are zero, for example a hole of the memory file. */
    public void appendZeros(long firstUnit, long count) throws VmckptException {
        if (count == 0) {
            return;
        }
        checkRange(firstUnit, count);
        synchronized (placing) {
            addZeros(firstUnit, count);
        }
    }

    /** Called with {@link #placing} held. */
    private void addZeros(long first, long count) {
        boolean added = false;
        try {
            index.addZeros(first, count);
            added = true;
        } finally {
            broken |= !added;
        }
    }

    int unitSizeBytes() {
        return header.unitSizeBytes();
    }

    long unitCount() {
        return header.unitCount();
    }

    long contentBytes() {
        return header.contentBytes();
    }

    /** Bytes of blocks written to the file so far. */
    public long storedBytes() {
        synchronized (placing) {
            return nextOffset;
        }
    }

    /** Whether nothing was appended: such a layer says nothing and need not be listed. */
    public boolean isEmpty() {
        synchronized (placing) {
            return index.isEmpty();
        }
    }

    /** Makes the segment durable and gives it its name; no append may be under way. */
    public SegmentName finish() throws VmckptException {
        synchronized (placing) {
            if (broken) {
                throw new IllegalStateException("finish after a failed append: " + temporary);
            }
        }
        if (!closed.compareAndSet(false, true)) {
            throw new IllegalStateException("segment writer is already closed: " + temporary);
        }
        SegmentName name = null;
        try {
            SegmentName finished = writeEnds();
            DurableFiles.rename(temporary, directory.segment(finished));
            name = finished;
        } catch (IOException e) {
            throw directory.failure("finish a segment", temporary, e);
        } finally {
            release(name == null);
            unpublished.writerClosed(name);
        }
        return name;
    }

    /** Writes what surrounds the blocks, syncs, and closes the file. */
    private SegmentName writeEnds() throws IOException {
        byte[] head = header.encode();
        List<byte[]> pieces = index.finish();
        MessageDigest sha256 = Sha256.create();
        sha256.update(head);
        long offset = nextOffset;
        for (byte[] piece : pieces) {
            sha256.update(piece);
            DurableFiles.writeFully(channel, ByteBuffer.wrap(piece), offset);
            offset += piece.length;
        }
        String digest = HexFormat.of().formatHex(sha256.digest());
        SegmentFooter footer = new SegmentFooter(nextOffset, offset - nextOffset, digest);
        DurableFiles.writeFully(channel, ByteBuffer.wrap(footer.encode()), offset);
        DurableFiles.writeFully(channel, ByteBuffer.wrap(head), 0);
        channel.force(true);
        return footer.name(header.kind());
    }

    private void checkRange(long first, long count) {
        if (first < 0 || count < 0 || first > header.unitCount() - count) {
            throw new IllegalArgumentException(
                    count + " units from " + first + " outside of " + header.unitCount());
        }
    }

    private void release(boolean delete) {
        BlockEncoder encoder;
        while ((encoder = idleEncoders.poll()) != null) {
            encoder.close();
        }
        DurableFiles.closeQuietly(channel);
        if (delete) {
            DurableFiles.deleteQuietly(temporary);
        }
    }

    /** Without {@link #finish}, deletes what was written. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            release(true);
            unpublished.writerClosed(null);
        }
    }
}
