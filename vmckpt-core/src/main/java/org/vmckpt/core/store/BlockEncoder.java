package org.vmckpt.core.store;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdCompressCtx;
import java.nio.ByteBuffer;
import java.security.DigestException;
import java.security.MessageDigest;

/**
 * Compresses and hashes one block after another. Used by one thread at a time; keeps its buffers
 * (about 0.8 MiB), so that a block costs no allocation.
 */
final class BlockEncoder implements AutoCloseable {
    /** The fastest level that still halves typical guest memory. */
    private static final int ZSTD_LEVEL = 1;

    /** Two to three times as fast, and still small where there is little in the memory. */
    private static final int URGENT_ZSTD_LEVEL = -7;

    /** A block that shrinks by less than this part is stored as it is, which reads faster. */
    private static final int MIN_GAIN_DIVISOR = 16;

    private final ZstdCompressCtx zstd = new ZstdCompressCtx();
    private final MessageDigest sha256 = Sha256.create();
    private final ByteBuffer gathered;
    private final ByteBuffer compressed;

    final long[] units;
    final byte[] digest = new byte[SegmentFormat.DIGEST_BYTES];
    private int encoding;
    private boolean hurrying;

    BlockEncoder(SegmentHeader header) {
        int blockBytes = header.unitsPerBlock() * header.unitSizeBytes();
        this.units = new long[header.unitsPerBlock()];
        this.gathered = ByteBuffer.allocateDirect(blockBytes);
        this.compressed =
                ByteBuffer.allocateDirect(Math.toIntExact(Zstd.compressBound(blockBytes)));
        zstd.setLevel(ZSTD_LEVEL);
    }

    void hurry(boolean urgent) {
        if (urgent != hurrying) {
            hurrying = urgent;
            zstd.setLevel(urgent ? URGENT_ZSTD_LEVEL : ZSTD_LEVEL);
        }
    }

    /** Where the units of a block are collected when they do not lie together in memory. */
    ByteBuffer gathered() {
        return gathered;
    }

    /** Encoding of the block that was encoded last. */
    int encoding() {
        return encoding;
    }

    /**
     * Encodes the bytes from position to limit of a direct buffer. What it returns is valid until
     * the next call, and so is {@link #digest}.
     */
    ByteBuffer encode(ByteBuffer data) {
        int length = data.remaining();
        compressed.clear();
        int stored =
                zstd.compressDirectByteBuffer(
                        compressed, 0, compressed.capacity(), data, data.position(), length);
        ByteBuffer result;
        if (stored <= length - length / MIN_GAIN_DIVISOR) {
            encoding = SegmentFormat.ENCODING_ZSTD;
            result = compressed.limit(stored).position(0);
        } else {
            encoding = SegmentFormat.ENCODING_RAW;
            result = data;
        }
        hash(result);
        return result;
    }

    private void hash(ByteBuffer stored) {
        int position = stored.position();
        sha256.update(stored);
        stored.position(position);
        try {
            sha256.digest(digest, 0, digest.length);
        } catch (DigestException e) {
            throw new AssertionError("the digest array has the right length", e);
        }
    }

    @Override
    public void close() {
        zstd.close();
    }
}
