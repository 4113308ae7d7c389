package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.cow.block.StorageFile;

/** Reads a header that may be anybody's work: nothing in it is taken for granted. */
final class HeaderReader {
    private static final int LARGEST_READ_BYTES = 112;
    private static final int SMALLEST_CLUSTER_BITS = 9;
    private static final int LARGEST_CLUSTER_BITS = 21;
    private static final int LARGEST_BACKING_NAME_BYTES = 1023;
    private static final int LARGEST_REFCOUNT_ORDER = 6;

    private static final long CORRUPT = 1 << 1;
    private static final long EXTERNAL_DATA = 1 << 2;
    private static final long COMPRESSION_TYPE = 1 << 3;
    private static final long EXTENDED_L2 = 1 << 4;
    private static final long KNOWN =
            Qcow2Header.DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2;

    private final StorageFile file;
    private final String name;
    private final long fileBytes;
    private final ByteBuffer bytes = ByteBuffer.allocate(LARGEST_READ_BYTES);

    HeaderReader(StorageFile file, String name) throws IOException {
        this.file = file;
        this.name = name;
        this.fileBytes = file.size();
    }

    Qcow2Header read() throws IOException {
        expect(fileBytes >= Qcow2Header.V2_BYTES, "a header of 72 bytes", fileBytes + " bytes");
        file.read(bytes, 0);
        int version = checkedVersion();
        Compression compression = checkFeatures(version);
        int clusterBits = bytes.getInt(20);
        expect(
                clusterBits >= SMALLEST_CLUSTER_BITS && clusterBits <= LARGEST_CLUSTER_BITS,
                "cluster bits 9 to 21",
                clusterBits);
        int headerBytes = version == 2 ? Qcow2Header.V2_BYTES : checkedHeaderBytes(clusterBits);
        long virtualSize = bytes.getLong(Qcow2Header.VIRTUAL_SIZE_AT);
        int l1Entries = checkL1(clusterBits, virtualSize);
        Extensions extensions = readExtensions(headerBytes, 1 << clusterBits);
        int order =
                version == 2
                        ? Qcow2Header.WRITTEN_REFCOUNT_ORDER
                        : bytes.getInt(Qcow2Header.REFCOUNT_ORDER_AT);
        expect(order >= 0 && order <= LARGEST_REFCOUNT_ORDER, "refcounts of 1 to 64 bits", order);
        return new Qcow2Header(
                version,
                clusterBits,
                virtualSize,
                bytes.getLong(Qcow2Header.L1_OFFSET_AT),
                l1Entries,
                bytes.getInt(Qcow2Header.L1_CAPACITY_AT),
                bytes.getLong(Qcow2Header.REFCOUNT_TABLE_OFFSET_AT),
                bytes.getInt(Qcow2Header.REFCOUNT_TABLE_CLUSTERS_AT),
                order,
                bytes.getInt(60),
                version == 3
                        && (bytes.getLong(Qcow2Header.INCOMPATIBLE_AT) & Qcow2Header.DIRTY) != 0,
                version == 3
                        && (bytes.getLong(Qcow2Header.COMPATIBLE_AT) & Qcow2Header.LAZY_REFCOUNTS)
                                != 0,
                version == 2 ? 0 : bytes.getLong(Qcow2Header.AUTOCLEAR_AT),
                compression,
                headerBytes,
                extensions.end,
                extensions.others,
                readBackingName(clusterBits),
                extensions.backingFormat);
    }

    private int checkedVersion() throws IOException {
        expect(
                bytes.getInt(0) == Qcow2Header.MAGIC,
                "the magic of qcow2",
                "0x" + Integer.toHexString(bytes.getInt(0)));
        int version = bytes.getInt(4);
        if (version != 2 && version != 3) {
            throw unsupported("version " + version + "; versions 2 and 3 are read");
        }
        return version;
    }

    private int checkedHeaderBytes(int clusterBits) throws IOException {
        int headerBytes = bytes.getInt(Qcow2Header.HEADER_BYTES_AT);
        expect(
                fileBytes >= Qcow2Header.V3_BYTES
                        && headerBytes >= Qcow2Header.V3_BYTES
                        && headerBytes <= 1 << clusterBits,
                "a version 3 header of at least 104 bytes",
                headerBytes);
        return headerBytes;
    }

    private Compression checkFeatures(int version) throws IOException {
        if (bytes.getInt(32) != 0) {
            throw unsupported("encryption");
        }
        if (version == 2) {
            return Compression.ZLIB;
        }
        long features = bytes.getLong(Qcow2Header.INCOMPATIBLE_AT);
        expect(
                (features & CORRUPT) == 0,
                "a sound image",
                "the mark that QEMU puts on a corrupt one");
        List<String> unread = new ArrayList<>();
        if ((features & EXTERNAL_DATA) != 0) {
            unread.add("external data file");
        }
        if ((features & EXTENDED_L2) != 0) {
            unread.add("subclusters (extended_l2)");
        }
        if ((features & ~KNOWN) != 0) {
            unread.add("unknown incompatible features 0x" + Long.toHexString(features & ~KNOWN));
        }
        if (!unread.isEmpty()) {
            throw unsupported(String.join(", ", unread));
        }
        return checkedCompression(features);
    }

    private Compression checkedCompression(long features) throws IOException {
        int type =
                (features & COMPRESSION_TYPE) == 0
                        ? 0
                        : bytes.get(Qcow2Header.COMPRESSION_AT) & 0xff;
        return switch (type) {
            case 0 -> Compression.ZLIB;
            case 1 -> Compression.ZSTD;
            default -> throw unsupported("compression type " + type);
        };
    }

    private int checkL1(int clusterBits, long virtualSize) throws IOException {
        expect(virtualSize >= 0, "a virtual size below 2^63", virtualSize);
        long needed = Qcow2Header.l1EntriesFor(virtualSize, clusterBits);
        expect(
                needed <= Qcow2Header.LARGEST_L1_ENTRIES,
                "at most " + Qcow2Header.LARGEST_L1_ENTRIES + " first-level entries",
                needed);
        int capacity = bytes.getInt(Qcow2Header.L1_CAPACITY_AT);
        expect(capacity >= needed, needed + " first-level entries", capacity);
        long l1Offset = bytes.getLong(Qcow2Header.L1_OFFSET_AT);
        expect(
                l1Offset >= 0
                        && (l1Offset & ((1L << clusterBits) - 1)) == 0
                        && l1Offset <= fileBytes - needed * Long.BYTES,
                "a first-level table inside the file, at a cluster's start",
                "offset " + l1Offset);
        return (int) needed;
    }

    private record Extensions(Optional<String> backingFormat, boolean others, int end) {}

    private Extensions readExtensions(int from, int clusterBytes) throws IOException {
        Optional<String> backingFormat = Optional.empty();
        boolean others = false;
        ByteBuffer area = ByteBuffer.allocate(Math.min(clusterBytes, 64 << 10));
        file.read(area, 0);
        int at = from;
        while (at <= area.capacity() - 8 && area.getInt(at) != 0) {
            int length = area.getInt(at + 4);
            expect(
                    length >= 0 && length <= area.capacity() - at - 8,
                    "header extensions inside the first cluster",
                    length + " bytes at " + at);
            if (area.getInt(at) == Qcow2Header.EXTENSION_BACKING_FORMAT) {
                backingFormat =
                        Optional.of(
                                new String(
                                        area.array(), at + 8, length, StandardCharsets.US_ASCII));
            } else if (area.getInt(at) != Qcow2Header.EXTENSION_FEATURE_NAMES) {
                others = true;
            }
            at += 8 + Math.ceilDiv(length, 8) * 8;
        }
        return new Extensions(backingFormat, others, at + 8);
    }

    private Optional<String> readBackingName(int clusterBits) throws IOException {
        long offset = bytes.getLong(Qcow2Header.BACKING_NAME_AT);
        int length = bytes.getInt(Qcow2Header.BACKING_NAME_BYTES_AT);
        if (offset == 0) {
            return Optional.empty();
        }
        expect(
                length >= 0
                        && length <= LARGEST_BACKING_NAME_BYTES
                        && offset > 0
                        && offset <= (1L << clusterBits) - length,
                "a backing file name of at most 1023 bytes in the first cluster",
                length + " bytes at offset " + offset);
        ByteBuffer backing = ByteBuffer.allocate(length);
        file.read(backing, offset);
        return Optional.of(new String(backing.array(), StandardCharsets.UTF_8));
    }

    private void expect(boolean condition, String expected, Object found)
            throws DamagedImageException {
        DamagedImageException.expect(condition, name, expected, found);
    }

    private IOException unsupported(String feature) {
        UnsupportedException error =
                new UnsupportedException(
                        "reading qcow2 file "
                                + name
                                + ": it uses "
                                + feature
                                + ", which is not supported; convert the disk with qemu-img"
                                + " convert");
        return new IOException(error.getMessage(), error);
    }
}
