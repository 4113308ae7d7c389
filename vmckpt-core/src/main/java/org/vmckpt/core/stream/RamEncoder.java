package org.vmckpt.core.stream;

import static org.vmckpt.core.stream.StreamFormat.PAGE_BYTES;
import static org.vmckpt.core.stream.StreamFormat.RAM_END;
import static org.vmckpt.core.stream.StreamFormat.RAM_PAGE;
import static org.vmckpt.core.stream.StreamFormat.RAM_SIZES;
import static org.vmckpt.core.stream.StreamFormat.RAM_ZERO;
import static org.vmckpt.core.stream.StreamFormat.SECTION_FOOTER;
import static org.vmckpt.core.stream.StreamFormat.SECTION_PART;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.vmckpt.core.stream.DeviceStream.RamBlock;

/** Writes sections of RAM as QEMU would. Every page names its block, so order is free. */
public final class RamEncoder {
    private static final int MAX_NAME_BYTES = 255;

    /** The most that one page takes. */
    public static final int MAX_RECORD_BYTES = Long.BYTES + 1 + MAX_NAME_BYTES + PAGE_BYTES;

    /** The most that one block takes in the list of all. */
    static final int MAX_SIZE_BYTES = 1 + MAX_NAME_BYTES + 2 * Long.BYTES;

    /** What a section takes beside its pages. */
    public static final int SECTION_BYTES = 1 + Integer.BYTES + Long.BYTES + 1 + Integer.BYTES;

    private RamEncoder() {}

    /** Begins a section that goes on with what an earlier one started. */
    public static void beginPart(ByteBuffer out, int sectionId) {
        out.put((byte) SECTION_PART).putInt(sectionId);
    }

    public static void page(ByteBuffer out, String block, long page, ByteBuffer content) {
        record(out, block, page, RAM_PAGE);
        out.put(content);
    }

    public static void zero(ByteBuffer out, String block, long page) {
        record(out, block, page, RAM_ZERO);
        out.put((byte) 0);
    }

    private static void record(ByteBuffer out, String block, long page, int flags) {
        out.putLong(page * PAGE_BYTES | flags);
        name(out, block);
    }

    static void sizes(ByteBuffer out, List<RamBlock> blocks, boolean withAddresses) {
        out.putLong(blocks.stream().mapToLong(RamBlock::sizeBytes).sum() | RAM_SIZES);
        for (RamBlock block : blocks) {
            name(out, block.name());
            out.putLong(block.sizeBytes());
            if (withAddresses) {
                out.putLong(block.guestAddress());
            }
        }
    }

    /** A string with its length in the byte before it. */
    static void name(ByteBuffer out, String text) {
        byte[] name = text.getBytes(StandardCharsets.ISO_8859_1);
        out.put((byte) name.length).put(name);
    }

    public static void end(ByteBuffer out, int sectionId) {
        out.putLong(RAM_END).put((byte) SECTION_FOOTER).putInt(sectionId);
    }
}
