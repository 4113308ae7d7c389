package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.block.StorageFile;

/**
 * Reads compressed clusters, and remembers some: a guest reads a cluster in many small pieces. We
 * never write compressed clusters, so an entry always means the same bytes.
 */
final class CompressedClusters {
    private static final class Unpacked {
        private final long entry;
        private final byte[] bytes;

        Unpacked(long entry, byte[] bytes) {
            this.entry = entry;
            this.bytes = bytes;
        }
    }

    private static final int REMEMBERED_BYTES = 4 << 20;
    private static final int MOST_REMEMBERED = 16;

    private final StorageFile file;
    private final Qcow2Header header;
    private final String name;
    private final ClusterDecompressor decompressor;
    private final AtomicReferenceArray<@Nullable Unpacked> remembered;

    CompressedClusters(StorageFile file, Qcow2Header header, String name) {
        this.file = file;
        this.header = header;
        this.name = name;
        this.decompressor = new ClusterDecompressor(header);
        this.remembered =
                new AtomicReferenceArray<>(
                        Math.min(MOST_REMEMBERED, REMEMBERED_BYTES >>> header.clusterBits()));
    }

    /** The whole cluster; not to be changed. */
    byte[] read(long entry) throws IOException {
        int slot = Math.floorMod(Long.hashCode(entry), remembered.length());
        Unpacked known = remembered.get(slot);
        if (known != null && known.entry == entry) {
            return known.bytes;
        }
        byte[] bytes = unpack(entry);
        remembered.set(slot, new Unpacked(entry, bytes));
        return bytes;
    }

    private byte[] unpack(long entry) throws IOException {
        ByteBuffer packed =
                ByteBuffer.allocate(L2Entry.compressedBytes(entry, header.clusterBits()));
        int count = file.read(packed, L2Entry.compressedHost(entry, header.clusterBits()));
        byte[] there = new byte[count];
        packed.flip().get(there);
        return decompressor
                .decompress(there)
                .orElseThrow(() ->
                        new DamagedImageException(
                                name,
                                "a compressed cluster",
                                "bytes that do not decompress to a cluster, entry 0x"
                                        + Long.toHexString(entry)));
    }
}
