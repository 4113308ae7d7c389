package org.vmckpt.cow.disk;

import java.nio.ByteBuffer;
import org.vmckpt.core.StorageException;
import org.vmckpt.cow.disk.Extent.Kind;

/** A raw image: the disk's bytes, and holes that read as zeros and are not read at all. */
final class RawReader implements FrozenFileReader {
    private static final int SECTOR_BYTES = 512;

    private final ImageFile file;
    private final long virtualSizeBytes;

    RawReader(ImageFile file) {
        this.file = file;
        // QEMU shows the guest whole sectors.
        this.virtualSizeBytes = Math.ceilDiv(file.sizeBytes(), (long) SECTOR_BYTES) * SECTOR_BYTES;
    }

    @Override
    public long virtualSizeBytes() {
        return virtualSizeBytes;
    }

    @Override
    public Extent extentAt(long offset, long limit) throws StorageException {
        long data = file.nextData(offset);
        if (data >= file.sizeBytes()) {
            return new Extent(Kind.ZERO, offset, limit - offset);
        }
        if (data > offset) {
            return new Extent(Kind.ZERO, offset, data - offset).cutAt(limit);
        }
        long hole = file.nextHole(offset);
        long end = hole >= file.sizeBytes() ? virtualSizeBytes : hole;
        return new Extent(Kind.DATA, offset, end - offset).cutAt(limit);
    }

    @Override
    public void read(long offset, ByteBuffer target) throws StorageException {
        file.read(offset, target);
    }

    @Override
    public void close() {
        file.close();
    }
}
