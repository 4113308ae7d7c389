package org.vmckpt.core.stream;

import static org.vmckpt.core.stream.StreamFormat.CONFIGURATION;
import static org.vmckpt.core.stream.StreamFormat.IGNORE_SHARED;
import static org.vmckpt.core.stream.StreamFormat.RAM_END;
import static org.vmckpt.core.stream.StreamFormat.RAM_SIZES;
import static org.vmckpt.core.stream.StreamFormat.SECTION_FOOTER;
import static org.vmckpt.core.stream.StreamFormat.SUBSECTION;
import static org.vmckpt.core.stream.StreamFormat.UUID_BYTES;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/**
 * How a stream begins that has all of memory in it, for somebody who does not know {@code
 * x-ignore-shared}: made from one that leaves shared memory out.
 */
public final class StreamStart {
    private StreamStart() {}

    /**
     * What stands before the pages of memory: up to {@link DeviceStream#ramSetupEnd}.
     *
     * @param stream that was parsed into {@code parsed}
     * @throws UnsupportedException when the stream needs capabilities of its reader besides
     */
    public static byte[] ofWholeStream(byte[] stream, DeviceStream parsed) throws VmckptException {
        if (!parsed.ignoresShared()) {
            return Arrays.copyOf(stream, parsed.ramSetupEnd());
        }
        StreamCursor in = new StreamCursor(stream, parsed.ramSetupEnd());
        ByteBuffer out = ByteBuffer.allocate(parsed.ramSetupEnd());
        out.putInt(in.readInt()).putInt(in.readInt());
        in.expect(CONFIGURATION, "the configuration section");
        int machineBytes = in.readInt();
        out.put((byte) CONFIGURATION).putInt(machineBytes).put(in.take(machineBytes));
        while (in.peek() == SUBSECTION) {
            copySubsection(in, out);
        }
        copyRam(in, out, parsed);
        return Arrays.copyOf(out.array(), out.position());
    }

    private static void copySubsection(StreamCursor in, ByteBuffer out) throws VmckptException {
        in.readByte();
        String name = in.readShortString();
        int version = in.readInt();
        if (name.equals("configuration/capabilities")) {
            requireNoOther(in);
            return;
        }
        int sizeBytes = name.equals("configuration/uuid") ? UUID_BYTES : Integer.BYTES;
        out.put((byte) SUBSECTION);
        RamEncoder.name(out, name);
        out.putInt(version).put(in.take(sizeBytes));
    }

    private static void requireNoOther(StreamCursor in) throws VmckptException {
        int count = in.readInt();
        for (int i = 0; i < count; i++) {
            String capability = in.readShortString();
            if (!capability.equals(IGNORE_SHARED)) {
                throw new UnsupportedException(
                        "the checkpoint's device state needs the migration capability "
                                + capability
                                + ", with which libvirt does not load it");
            }
        }
    }

    private static void copyRam(StreamCursor in, ByteBuffer out, DeviceStream parsed)
            throws VmckptException {
        out.put((byte) in.readByte()).putInt(in.readInt());
        RamEncoder.name(out, in.readShortString());
        out.putInt(in.readInt()).putInt(in.readInt());
        if ((in.readLong() & RAM_SIZES) == 0) {
            throw in.corrupt("RAM does not begin with the sizes of its blocks");
        }
        for (int i = 0; i < parsed.ramBlocks().size(); i++) {
            in.readShortString();
            in.readLong();
            in.readLong();
        }
        RamEncoder.sizes(out, parsed.ramBlocks(), false);
        if (in.readLong() != RAM_END) {
            throw in.corrupt("something else follows the sizes of RAM's blocks");
        }
        in.expect(SECTION_FOOTER, "a section footer");
        in.readInt();
        RamEncoder.end(out, parsed.ramSectionId());
    }
}
