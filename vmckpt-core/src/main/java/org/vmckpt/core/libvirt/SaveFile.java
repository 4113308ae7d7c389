package org.vmckpt.core.libvirt;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * The file that {@code virsh save} writes and {@code virsh restore} reads: a header, the domain's
 * definition, and QEMU's migration stream with all of memory (libvirt's src/qemu/qemu_saveimage.h).
 */
public final class SaveFile {
    private static final String MAGIC = "LibvirtQemudSave";
    private static final int VERSION = 2;
    private static final int UNUSED_WORDS = 14;
    private static final int HEADER_BYTES = 16 + (5 + UNUSED_WORDS) * Integer.BYTES;

    /** So much longer may a definition become that somebody edits in the file. */
    private static final int ROOM_BYTES = 64 << 10;

    private SaveFile() {}

    /**
     * What stands before the stream.
     *
     * @param running whether the domain runs when it is restored
     */
    public static ByteBuffer start(String xml, boolean running) {
        byte[] text = xml.getBytes(StandardCharsets.UTF_8);
        int dataBytes = text.length + 1 + ROOM_BYTES;
        // libvirt reads either order, and knows it by the version.
        ByteBuffer start =
                ByteBuffer.allocate(HEADER_BYTES + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        start.put(MAGIC.getBytes(StandardCharsets.US_ASCII));
        start.putInt(VERSION).putInt(dataBytes).putInt(running ? 1 : 0);
        // Not compressed, and no cookie.
        start.putInt(0).putInt(0);
        start.position(HEADER_BYTES).put(text);
        return start.clear();
    }
}
