package org.vmckpt.cow.disk;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.disk.Extent.Kind;

/** The frozen files of one disk, oldest first, open for reading by one thread. */
final class FrozenChain implements AutoCloseable {
    private final List<FrozenFileReader> files;

    private FrozenChain(List<FrozenFileReader> files) {
        this.files = files;
    }

    /** Opens all files of {@code layers}. */
    static FrozenChain open(List<DiskLayer> layers) throws VmckptException {
        FrozenChain chain = new FrozenChain(new ArrayList<>());
        try {
            for (DiskLayer layer : layers) {
                chain.files.add(FrozenFileReader.open(layer));
            }
            return chain;
        } catch (VmckptException e) {
            chain.close();
            throw e;
        }
    }

    long virtualSizeBytes(int layer) {
        return files.get(layer).virtualSizeBytes();
    }

    /**
     * What the file at {@code layer} says, where the end of its parent is taken into account: what
     * lies past it is zeros, even if the parent's own parent is longer.
     */
    Extent extentAt(int layer, long offset, long limit) throws VmckptException {
        Extent extent = files.get(layer).extentAt(offset, limit);
        if (extent.kind() != Kind.ABSENT) {
            return extent;
        }
        long parentEnd = layer == 0 ? 0 : virtualSizeBytes(layer - 1);
        return offset >= parentEnd
                ? new Extent(Kind.ZERO, offset, extent.lengthBytes())
                : extent.cutAt(parentEnd);
    }

    /** How much the file at {@code layer} itself has to be copied. */
    long dataBytes(int layer) throws VmckptException {
        long end = virtualSizeBytes(layer);
        long sum = 0;
        for (long offset = 0; offset < end; ) {
            Extent extent = files.get(layer).extentAt(offset, end);
            sum += extent.kind() == Kind.DATA ? extent.lengthBytes() : 0;
            offset = extent.endBytes();
        }
        return sum;
    }

    /** Fills {@code target} with the disk's bytes as the guest saw them with this layer on top. */
    void read(int layer, long offset, ByteBuffer target) throws VmckptException {
        long position = offset;
        long end = virtualSizeBytes(layer);
        while (target.hasRemaining()) {
            if (position >= end) {
                ImageFile.putZeros(target, target.remaining());
                return;
            }
            long limit = Math.min(end, position + target.remaining());
            Extent extent = extentAt(layer, position, limit);
            int count = (int) extent.lengthBytes();
            readExtent(layer, extent, target.slice(target.position(), count));
            target.position(target.position() + count);
            position += count;
        }
    }

    @Override
    public void close() {
        for (FrozenFileReader file : files) {
            file.close();
        }
    }

    private void readExtent(int layer, Extent extent, ByteBuffer target) throws VmckptException {
        switch (extent.kind()) {
            case DATA -> files.get(layer).read(extent.offsetBytes(), target);
            case ZERO -> ImageFile.putZeros(target, target.remaining());
            case ABSENT -> read(layer - 1, extent.offsetBytes(), target);
        }
    }
}
