package org.vmckpt.testvm.bench;

import com.github.luben.zstd.ZstdOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.SegmentReader;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;

/** How many bytes pages take as one compressed stream, and nothing that tells which they are. */
final class CompressedSize extends OutputStream {
    /** As the store does it. */
    private static final int ZSTD_LEVEL = 1;

    private long bytes;

    /** Of the pages that a checkpoint of a series put on top of the one before. */
    static long ofNewestLayers(CheckpointReport report, Store store) throws VmckptException {
        CompressedSize size = new CompressedSize();
        try (ZstdOutputStream pages = new ZstdOutputStream(size, ZSTD_LEVEL)) {
            for (MemoryBlock block : report.manifest().memory()) {
                try (SegmentReader layer = store.openSegment(block.layers().getLast())) {
                    layer.forEachBlock((units, count, data) -> write(data, pages));
                }
            }
        } catch (IOException e) {
            throw neverThrown(e);
        }
        return size.bytes;
    }

    private static void write(ByteBuffer data, OutputStream out) {
        byte[] copy = new byte[data.remaining()];
        data.duplicate().get(copy);
        try {
            out.write(copy);
        } catch (IOException e) {
            throw neverThrown(e);
        }
    }

    private static IllegalStateException neverThrown(IOException e) {
        return new IllegalStateException("counting bytes failed", e);
    }

    @Override
    public void write(int octet) {
        bytes++;
    }

    @Override
    public void write(byte[] from, int offset, int count) {
        bytes += count;
    }
}
