package org.vmckpt.core.store;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.SegmentIndex.BlockRecord;

/**
 * Reads, verifies and decodes one block after another of one segment. Used by one thread at a time;
 * remembers the last block, for readers that go from unit to unit.
 */
final class BlockDecoder implements AutoCloseable {
    private static final int NONE = -1;

    private final FileChannel channel;
    private final SegmentHeader header;
    private final SegmentIndex index;
    private final String segment;
    private final ZstdDecompressCtx zstd = new ZstdDecompressCtx();
    private final MessageDigest sha256 = Sha256.create();
    private final ByteBuffer stored;
    private final ByteBuffer data;

    final BlockRecord record;
    final long[] units;
    private int decoded = NONE;

    BlockDecoder(FileChannel channel, SegmentHeader header, SegmentIndex index, String segment) {
        this.channel = channel;
        this.header = header;
        this.index = index;
        this.segment = segment;
        int blockBytes = header.unitsPerBlock() * header.unitSizeBytes();
        this.stored = ByteBuffer.allocateDirect(blockBytes);
        this.data = ByteBuffer.allocateDirect(blockBytes);
        this.record = new BlockRecord(header.unitsPerBlock());
        this.units = new long[header.unitsPerBlock()];
    }

    /** The data of a block, from position 0 to its limit; {@link #record} describes it. */
    ByteBuffer decode(int block) throws VmckptException {
        if (decoded == block) {
            return data.position(0);
        }
        ByteBuffer bytes = readStored(block);
        int expected = record.unitCount * header.unitSizeBytes();
        data.clear();
        switch (record.encoding) {
            case SegmentFormat.ENCODING_RAW -> data.put(bytes).flip();
            default -> decompress(block, bytes, expected);
        }
        decoded = block;
        return data.position(0);
    }

    private void decompress(int block, ByteBuffer bytes, int expected) throws CorruptException {
        int found;
        try {
            found =
                    zstd.decompressDirectByteBuffer(
                            data, 0, data.capacity(), bytes, 0, bytes.limit());
        } catch (ZstdException e) {
            throw new CorruptException(
                    SegmentDamage.message(
                            segment, SegmentDamage.block(block), "not zstd: " + e.getMessage()),
                    e);
        }
        if (found != expected) {
            throw new CorruptException(
                    SegmentDamage.message(
                            segment,
                            SegmentDamage.block(block),
                            "decodes to " + found + " bytes instead of " + expected));
        }
        data.limit(found);
    }

    /** Writes the unit numbers of a block, without reading it. */
    int unitsOf(int block, long[] into) throws VmckptException {
        decoded = NONE;
        index.readRecord(block, record, header, segment);
        return record.units(into);
    }

    /** The verified bytes of a block as they are in the file. */
    ByteBuffer readStored(int block) throws VmckptException {
        decoded = NONE;
        index.readRecord(block, record, header, segment);
        stored.clear().limit(record.storedBytes);
        try {
            DurableFiles.readFully(channel, stored, index.fileOffset(block));
        } catch (EOFException e) {
            throw new CorruptException(
                    SegmentDamage.message(
                            segment, SegmentDamage.block(block), "cut short: " + e.getMessage()),
                    e);
        } catch (IOException e) {
            throw new StorageException(
                    "read "
                            + segment
                            + ", "
                            + SegmentDamage.block(block)
                            + ": "
                            + e
                            + "; check the disk",
                    e);
        }
        sha256.update(stored.flip());
        byte[] found = sha256.digest();
        if (!record.digestEquals(found)) {
            throw new CorruptException(
                    SegmentDamage.message(
                            segment,
                            SegmentDamage.block(block),
                            "SHA-256 of its "
                                    + record.storedBytes
                                    + " bytes is "
                                    + HexFormat.of().formatHex(found)
                                    + " instead of "
                                    + HexFormat.of().formatHex(record.digest)));
        }
        return stored.flip();
    }

    @Override
    public void close() {
        zstd.close();
    }
}
