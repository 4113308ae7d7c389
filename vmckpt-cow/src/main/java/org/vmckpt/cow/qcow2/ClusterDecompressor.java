package org.vmckpt.cow.qcow2;

import com.github.luben.zstd.Zstd;
import java.util.Optional;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/** Unpacks the compressed clusters of one qcow2 file. */
final class ClusterDecompressor {
    private final Compression compression;
    private final int clusterSizeBytes;

    ClusterDecompressor(Qcow2Header header) {
        this.compression = header.compression();
        this.clusterSizeBytes = header.clusterSizeBytes();
    }

    /**
     * Unpacks one cluster.
     *
     * @param compressed may go on after the cluster's end: the file knows whole sectors only
     * @return a whole cluster, or empty if the bytes do not hold one
     */
    Optional<byte[]> decompress(byte[] compressed) {
        byte[] cluster = new byte[clusterSizeBytes];
        boolean whole =
                switch (compression) {
                    case ZLIB -> inflate(compressed, cluster);
                    case ZSTD -> unpackZstd(compressed, cluster);
                };
        return whole ? Optional.of(cluster) : Optional.empty();
    }

    private static boolean inflate(byte[] compressed, byte[] cluster) {
        try (Inflater inflater = new Inflater(true)) {
            inflater.setInput(compressed);
            int done = 0;
            while (done < cluster.length) {
                int count = inflater.inflate(cluster, done, cluster.length - done);
                if (count == 0) {
                    return false;
                }
                done += count;
            }
            return true;
        } catch (DataFormatException e) {
            return false;
        }
    }

    private static boolean unpackZstd(byte[] compressed, byte[] cluster) {
        long frame = Zstd.findFrameCompressedSize(compressed);
        if (Zstd.isError(frame) || frame > compressed.length) {
            return false;
        }
        long count =
                Zstd.decompressByteArray(cluster, 0, cluster.length, compressed, 0, (int) frame);
        return !Zstd.isError(count) && count == cluster.length;
    }
}
