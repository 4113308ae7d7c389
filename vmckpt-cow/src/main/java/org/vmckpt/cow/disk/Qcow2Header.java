package org.vmckpt.cow.disk;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/**
 * The header of a qcow2 file, versions 2 and 3, as far as reading needs it. All numbers in the file
 * are big-endian; the format is QEMU's docs/interop/qcow2.txt.
 *
 * @param l1EntryCount entries of the first-level table that the virtual size needs
 * @param backingName the parent as the header names it
 */
record Qcow2Header(
        int version,
        int clusterBits,
        long virtualSizeBytes,
        long l1OffsetBytes,
        int l1EntryCount,
        Compression compression,
        Optional<String> backingName) {

    enum Compression {
        ZLIB,
        ZSTD
    }

    private static final int MAGIC = 0x514649fb;
    private static final int V2_BYTES = 72;
    private static final int V3_BYTES = 104;
    private static final int LARGEST_READ_BYTES = 112;
    private static final int SMALLEST_CLUSTER_BITS = 9;
    private static final int LARGEST_CLUSTER_BITS = 21;
    private static final int LARGEST_L1_ENTRIES = 32 * 1024 * 1024 / Long.BYTES;
    private static final int LARGEST_BACKING_NAME_BYTES = 1023;

    private static final long DIRTY = 1;
    private static final long CORRUPT = 1 << 1;
    private static final long EXTERNAL_DATA = 1 << 2;
    private static final long COMPRESSION_TYPE = 1 << 3;
    private static final long EXTENDED_L2 = 1 << 4;

    static Qcow2Header read(ImageFile file) throws VmckptException {
        if (file.sizeBytes() < V2_BYTES) {
            throw corrupt(file, "a header of " + V2_BYTES + " bytes", file.sizeBytes() + " bytes");
        }
        ByteBuffer bytes = ByteBuffer.allocate(LARGEST_READ_BYTES);
        file.read(0, bytes);
        int version = checkedVersion(file, bytes);
        Compression compression = checkFeatures(file, bytes, version);
        int clusterBits = bytes.getInt(20);
        expect(
                clusterBits >= SMALLEST_CLUSTER_BITS && clusterBits <= LARGEST_CLUSTER_BITS,
                file,
                "cluster bits 9 to 21",
                clusterBits);
        long virtualSize = bytes.getLong(24);
        long l1Offset = bytes.getLong(40);
        int l1Entries = checkL1(file, clusterBits, virtualSize, bytes.getInt(36), l1Offset);
        return new Qcow2Header(
                version,
                clusterBits,
                virtualSize,
                l1Offset,
                l1Entries,
                compression,
                readBackingName(file, bytes.getLong(8), bytes.getInt(16), clusterBits));
    }

    int clusterSizeBytes() {
        return 1 << clusterBits;
    }

    /** A second-level table is one cluster of 8-byte entries. */
    int l2EntryCount() {
        return 1 << (clusterBits - 3);
    }

    /** How much of the disk one second-level table describes. */
    long l2SpanBytes() {
        return 1L << (2 * clusterBits - 3);
    }

    private static int checkedVersion(ImageFile file, ByteBuffer bytes) throws VmckptException {
        expect(
                bytes.getInt(0) == MAGIC,
                file,
                "the magic of qcow2",
                "0x" + Integer.toHexString(bytes.getInt(0)));
        int version = bytes.getInt(4);
        if (version != 2 && version != 3) {
            throw unsupported(file, "version " + version + "; versions 2 and 3 are read");
        }
        expect(
                version == 2 || (file.sizeBytes() >= V3_BYTES && bytes.getInt(100) >= V3_BYTES),
                file,
                "a version 3 header of at least 104 bytes",
                bytes.getInt(100));
        return version;
    }

    private static Compression checkFeatures(ImageFile file, ByteBuffer bytes, int version)
            throws VmckptException {
        if (bytes.getInt(32) != 0) {
            throw unsupported(file, "encryption");
        }
        if (version == 2) {
            return Compression.ZLIB;
        }
        long features = bytes.getLong(72);
        if ((features & CORRUPT) != 0) {
            throw corrupt(file, "a sound image", "the mark that QEMU puts on a corrupt one");
        }
        List<String> unread = unreadFeatures(features);
        if (!unread.isEmpty()) {
            throw unsupported(file, String.join(", ", unread));
        }
        return checkedCompression(file, bytes, features);
    }

    private static List<String> unreadFeatures(long features) {
        List<String> unread = new ArrayList<>();
        if ((features & EXTERNAL_DATA) != 0) {
            unread.add("external data file");
        }
        if ((features & EXTENDED_L2) != 0) {
            unread.add("subclusters (extended_l2)");
        }
        long unknown =
                features & ~(DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2);
        if (unknown != 0) {
            unread.add("unknown incompatible features 0x" + Long.toHexString(unknown));
        }
        return unread;
    }

    private static Compression checkedCompression(ImageFile file, ByteBuffer bytes, long features)
            throws VmckptException {
        int type = (features & COMPRESSION_TYPE) == 0 ? 0 : bytes.get(104) & 0xff;
        return switch (type) {
            case 0 -> Compression.ZLIB;
            case 1 -> Compression.ZSTD;
            default -> throw unsupported(file, "compression type " + type);
        };
    }

    private static int checkL1(
            ImageFile file, int clusterBits, long virtualSize, int l1Size, long l1Offset)
            throws CorruptException {
        expect(virtualSize >= 0, file, "a virtual size below 2^63", virtualSize);
        int spanBits = 2 * clusterBits - 3;
        long needed =
                (virtualSize >>> spanBits) + ((virtualSize & ((1L << spanBits) - 1)) == 0 ? 0 : 1);
        expect(
                needed <= LARGEST_L1_ENTRIES,
                file,
                "at most " + LARGEST_L1_ENTRIES + " first-level entries",
                needed);
        expect(l1Size >= needed, file, needed + " first-level entries", l1Size);
        expect(
                l1Offset >= 0
                        && (l1Offset & ((1L << clusterBits) - 1)) == 0
                        && l1Offset <= file.sizeBytes() - needed * Long.BYTES,
                file,
                "a first-level table inside the file, at a cluster's start",
                "offset " + l1Offset);
        return (int) needed;
    }

    private static Optional<String> readBackingName(
            ImageFile file, long offset, int length, int clusterBits) throws VmckptException {
        if (offset == 0) {
            return Optional.empty();
        }
        expect(
                length >= 0
                        && length <= LARGEST_BACKING_NAME_BYTES
                        && offset > 0
                        && offset <= (1L << clusterBits) - length,
                file,
                "a backing file name of at most 1023 bytes in the first cluster",
                length + " bytes at offset " + offset);
        ByteBuffer name = ByteBuffer.allocate(length);
        file.read(offset, name);
        return Optional.of(new String(name.array(), StandardCharsets.UTF_8));
    }

    private static void expect(boolean condition, ImageFile file, String expected, Object found)
            throws CorruptException {
        if (!condition) {
            throw corrupt(file, expected, found);
        }
    }

    static CorruptException corrupt(ImageFile file, String expected, Object found) {
        return new CorruptException(
                "reading qcow2 file "
                        + file.path()
                        + ": expected "
                        + expected
                        + ", found "
                        + found
                        + "; run qemu-img check on it");
    }

    private static UnsupportedException unsupported(ImageFile file, String feature) {
        return new UnsupportedException(
                "reading qcow2 file "
                        + file.path()
                        + ": it uses "
                        + feature
                        + ", which is not supported; convert the disk with qemu-img convert");
    }
}
