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

    private final StorageFile file;
    private final String image;
    private final Qcow2Header header;
    private final ByteBuffer sector = ByteBuffer.allocate(SECTOR_BYTES);

    private BackingPointer(StorageFile file, String image, Qcow2Header header) {
        this.file = file;
        this.image = image;
        this.header = header;
    }

    static void change(StorageFile file, String image, BackingName backing) throws IOException {
        Qcow2Header header;
        try {
            header = Qcow2Header.read(file, image);
        } catch (VmckptException e) {
            throw new IOException(e.getMessage(), e);
        }
        new BackingPointer(file, image, header).change(backing);
    }

    private void change(BackingName backing) throws IOException {
        file.read(sector, 0);
        sector.clear();
        int end = putFormat(backing.format().getBytes(StandardCharsets.US_ASCII));
        byte[] name = backing.name().getBytes(StandardCharsets.UTF_8);
        int at = freePlace(end, name.length);
        file.write(ByteBuffer.wrap(name), at);
        file.sync();
        // The sector again, for the name may begin in it.
        ByteBuffer now = ByteBuffer.allocate(end);
        now.put(sector.slice(0, end)).clear();
        now.putLong(Qcow2Header.BACKING_NAME_AT, at);
        now.putInt(Qcow2Header.BACKING_NAME_BYTES_AT, name.length);
        file.write(now, 0);
        file.sync();
    }

    /** Sets the format in the sector's copy; returns where the extensions end. */
    private int putFormat(byte[] format) throws IOException {
        int at = header.headerBytes();
        while (at <= SECTOR_BYTES - EXTENSION_HEAD_BYTES
                && sector.getInt(at) != 0
                && sector.getInt(at) != Qcow2Header.EXTENSION_BACKING_FORMAT) {
            at += EXTENSION_HEAD_BYTES + Math.ceilDiv(sector.getInt(at + 4), 8) * 8;
        }
        int bytes = EXTENSION_HEAD_BYTES + Math.ceilDiv(format.length, 8) * 8;
        requireRoom(at + bytes + EXTENSION_HEAD_BYTES <= SECTOR_BYTES);
        boolean replaces = sector.getInt(at) != 0;
        int oldBytes = EXTENSION_HEAD_BYTES + Math.ceilDiv(sector.getInt(at + 4), 8) * 8;
        requireRoom(!replaces || oldBytes == bytes);
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
        ByteBuffer start = ByteBuffer.allocate(Qcow2Header.V2_BYTES);
        file.read(start, 0);
        int old = (int) start.getLong(Qcow2Header.BACKING_NAME_AT);
        int oldEnd = old == 0 ? 0 : old + start.getInt(Qcow2Header.BACKING_NAME_BYTES_AT);
        int first = Math.max(header.extensionsEnd(), sectorEnd);
        int place = old == 0 || first + length <= old ? first : Math.max(first, oldEnd);
        requireRoom(place + length <= header.clusterSizeBytes());
        return place;
    }

    private void requireRoom(boolean room) throws IOException {
        if (!room) {
            throw new IOException(
                    "the header of "
                            + image
                            + " has no room for another backing file; use qemu-img rebase -u");
        }
    }
}
