package org.vmckpt.cow.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.StorageFile;
import org.vmckpt.cow.qcow2.NewImage.BackingName;

/**
 * Changes the backing file that a header names. The new name goes where nothing is yet; what leads
 * to it, with the format, is in the first sector, which a crash leaves old or new.
 */
final class BackingPointer {
    private static final int SECTOR_BYTES = 512;
    private static final int EXTENSION_HEAD_BYTES = 8;

    private final String image;
    private final Qcow2Header header;
    private final ByteBuffer sector = ByteBuffer.allocate(SECTOR_BYTES);

    private BackingPointer(String image, Qcow2Header header) {
        this.image = image;
        this.header = header;
    }

    static void change(StorageFile file, String image, BackingName backing) throws IOException {
        BackingPointer pointer = of(file, image);
        byte[] name = backing.name().getBytes(StandardCharsets.UTF_8);
        int end = pointer.putFormat(backing);
        int at = pointer.freePlace(end, name.length);
        file.write(ByteBuffer.wrap(name), at);
        file.sync();
        pointer.sector.putLong(Qcow2Header.BACKING_NAME_AT, at);
        pointer.sector.putInt(Qcow2Header.BACKING_NAME_BYTES_AT, name.length);
        // No further than the extensions, for the name may begin in the same sector.
        file.write(pointer.sector.limit(end), 0);
        file.sync();
    }

    /** Fails where {@link #change} would find no room, with nothing written. */
    static void requireRoom(StorageFile file, String image, BackingName backing)
            throws IOException {
        BackingPointer pointer = of(file, image);
        byte[] name = backing.name().getBytes(StandardCharsets.UTF_8);
        int unusedPlace = pointer.freePlace(pointer.putFormat(backing), name.length);
    }

    private static BackingPointer of(StorageFile file, String image) throws IOException {
        try {
            BackingPointer pointer = new BackingPointer(image, Qcow2Header.read(file, image));
            file.read(pointer.sector, 0);
            pointer.sector.clear();
            return pointer;
        } catch (VmckptException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    /** Sets the format in the sector's copy; returns where the extensions end. */
    private int putFormat(BackingName backing) throws IOException {
        byte[] format = backing.format().getBytes(StandardCharsets.US_ASCII);
        int at = header.headerBytes();
        while (at <= SECTOR_BYTES - EXTENSION_HEAD_BYTES
                && sector.getInt(at) != 0
                && sector.getInt(at) != Qcow2Header.EXTENSION_BACKING_FORMAT) {
            at += EXTENSION_HEAD_BYTES + Math.ceilDiv(sector.getInt(at + 4), 8) * 8;
        }
        int bytes = EXTENSION_HEAD_BYTES + Math.ceilDiv(format.length, 8) * 8;
        expectRoom(at + bytes + EXTENSION_HEAD_BYTES <= SECTOR_BYTES);
        boolean replaces = sector.getInt(at) != 0;
        int oldBytes = EXTENSION_HEAD_BYTES + Math.ceilDiv(sector.getInt(at + 4), 8) * 8;
        expectRoom(!replaces || oldBytes == bytes);
        for (int i = at; i < at + bytes; i++) {
            sector.put(i, (byte) 0);
        }
        sector.putInt(at, Qcow2Header.EXTENSION_BACKING_FORMAT);
        sector.putInt(at + 4, format.length);
        sector.put(at + EXTENSION_HEAD_BYTES, format);
        if (!replaces) {
            sector.putLong(at + bytes, 0);
            return at + bytes + EXTENSION_HEAD_BYTES;
        }
        return at + bytes;
    }

    private int freePlace(int sectorEnd, int length) throws IOException {
        int old = (int) sector.getLong(Qcow2Header.BACKING_NAME_AT);
        int oldEnd = old == 0 ? 0 : old + sector.getInt(Qcow2Header.BACKING_NAME_BYTES_AT);
        int first = Math.max(header.extensionsEnd(), sectorEnd);
        int place = old == 0 || first + length <= old ? first : Math.max(first, oldEnd);
        expectRoom(place + length <= header.clusterSizeBytes());
        return place;
    }

    private void expectRoom(boolean room) throws IOException {
        if (!room) {
            throw new IOException(
                    "the header of "
                            + image
                            + " has no room for another backing file; use qemu-img rebase -u");
        }
    }
}
