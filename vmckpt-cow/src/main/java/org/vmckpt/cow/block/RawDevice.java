package org.vmckpt.cow.block;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Objects;

/** A disk whose bytes are those of a file. */
public final class RawDevice implements BlockDevice {
    private static final int SECTOR_BYTES = 512;

    private final StorageFile file;
    private volatile long size;

    private RawDevice(StorageFile file, long size) {
        this.file = file;
        this.size = size;
    }

    /** Owns the file from now on. A last sector that the file does not fill ends in zeros. */
    public static RawDevice over(StorageFile file) throws IOException {
        return new RawDevice(file, Math.ceilDiv(file.size(), (long) SECTOR_BYTES) * SECTOR_BYTES);
    }

    @Override
    public long size() {
        return size;
    }

    /** Grows the disk. */
    public synchronized void resize(long bytes) throws IOException {
        if (bytes < size || bytes % SECTOR_BYTES != 0) {
            throw new IllegalArgumentException("resize from " + size + " to " + bytes);
        }
        file.resize(bytes);
        size = bytes;
    }

    @Override
    public void read(ByteBuffer into, long offset) throws IOException {
        Objects.checkFromIndexSize(offset, into.remaining(), size);
        file.read(into, offset);
        while (into.hasRemaining()) {
            into.put((byte) 0);
        }
    }

    @Override
    public void write(ByteBuffer from, long offset) throws IOException {
        Objects.checkFromIndexSize(offset, from.remaining(), size);
        file.write(from, offset);
    }

    @Override
    public void writeZeroes(long offset, long length, boolean mayUnmap) throws IOException {
        Objects.checkFromIndexSize(offset, length, size);
        if (mayUnmap) {
            file.zero(offset, length);
            return;
        }
        ByteBuffer zeros = ByteBuffer.allocateDirect((int) Math.min(1 << 20, length));
        for (long done = 0; done < length; done += zeros.limit()) {
            zeros.clear().limit((int) Math.min(zeros.capacity(), length - done));
            file.write(zeros, offset + done);
        }
    }

    @Override
    public void discard(long offset, long length) throws IOException {
        writeZeroes(offset, length, true);
    }

    @Override
    public void flush() throws IOException {
        file.sync();
    }

    @Override
    public void blockStatus(long offset, long length, ExtentVisitor visitor) throws IOException {
        Objects.checkFromIndexSize(offset, length, size);
        long end = offset + length;
        for (long at = offset; at < end; ) {
            long data = Math.min(end, at >= file.size() ? end : endOfHole(at));
            if (data > at) {
                visitor.extent(at, data - at, BlockStatus.HOLE);
                at = data;
            } else {
                long stop = Math.min(end, endOfData(at));
                visitor.extent(at, stop - at, BlockStatus.DATA);
                at = stop;
            }
        }
    }

    private long endOfHole(long at) throws IOException {
        long data = file.nextData(at);
        return data >= file.size() ? size : data;
    }

    /** At least a sector on, whatever others do to the file meanwhile. */
    private long endOfData(long at) throws IOException {
        long hole = file.nextHole(at);
        return hole >= file.size() ? size : Math.max(hole, at + SECTOR_BYTES);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
