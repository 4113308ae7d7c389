package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.vmckpt.core.StorageException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.BlockStatus;

/**
 * What a disk reads as, in one number that does not depend on how its files are made: SHA-256 over
 * the disk's size and, for each unit of 64 KiB that is not all zeros, its number and its bytes.
 * Numbers are big-endian, of eight bytes; a last unit that is cut off ends in zeros.
 */
public final class ContentChecksum {
    private static final int UNIT_BYTES = 64 << 10;
    private static final int BATCH_UNITS = 16;
    private static final ByteBuffer ZEROS = ByteBuffer.allocate(UNIT_BYTES).asReadOnlyBuffer();

    private final BlockDevice disk;
    private final MessageDigest digest;
    private final ByteBuffer batch = ByteBuffer.allocateDirect(BATCH_UNITS * UNIT_BYTES);

    private ContentChecksum(BlockDevice disk) {
        this.disk = disk;
        try {
            this.digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    /** In hexadecimal digits. */
    static String of(BlockDevice disk) throws IOException {
        ContentChecksum checksum = new ContentChecksum(disk);
        checksum.addNumber(disk.size());
        checksum.addUnits();
        return HexFormat.of().formatHex(checksum.digest.digest());
    }

    /** The same, with an error that names the disk. */
    static String of(BlockDevice disk, Object name) throws StorageException {
        try {
            return of(disk);
        } catch (IOException e) {
            throw new StorageException("reading " + name + ": " + e, e);
        }
    }

    private void addUnits() throws IOException {
        long size = disk.size();
        for (long at = 0; at < size; at += batch.capacity()) {
            long bytes = Math.min(batch.capacity(), size - at);
            if (hasData(at, bytes)) {
                addBatch(at, (int) bytes);
            }
        }
    }

    private boolean hasData(long offset, long length) throws IOException {
        boolean[] data = new boolean[1];
        disk.blockStatus(offset, length, (_, _, status) -> data[0] |= status == BlockStatus.DATA);
        return data[0];
    }

    private void addBatch(long offset, int bytes) throws IOException {
        batch.clear().limit(bytes);
        disk.read(batch, offset);
        batch.limit(Math.ceilDiv(bytes, UNIT_BYTES) * UNIT_BYTES).position(bytes);
        while (batch.hasRemaining()) {
            batch.put((byte) 0);
        }
        int end = batch.limit();
        for (int start = 0; start < end; start += UNIT_BYTES) {
            ByteBuffer unit = batch.slice(start, UNIT_BYTES);
            if (!unit.equals(ZEROS)) {
                addNumber((offset + start) / UNIT_BYTES);
                digest.update(unit);
            }
        }
    }

    private void addNumber(long number) {
        digest.update(ByteBuffer.allocate(Long.BYTES).putLong(number).flip());
    }
}
