package org.vmckpt.core.stream;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.Map;

/** Writes a migration stream byte by byte, with none of the code that reads it. */
final class HandmadeStream {
    private static final int RAM_SECTION = 2;
    private static final String DESCRIPTION =
            "{\"page_size\": 4096, \"devices\": [{\"name\": \"timer\", \"instance_id\": 0,"
                    + " \"fields\": [{\"name\": \"ticks\", \"size\": 8}]}]}";

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final DataOutputStream out = new DataOutputStream(bytes);
    private String lastBlock = "";

    static byte[] filled(int value) {
        byte[] page = new byte[4096];
        Arrays.fill(page, (byte) value);
        return page;
    }

    HandmadeStream header(String machine) throws IOException {
        out.writeInt(0x5145564d);
        out.writeInt(3);
        out.writeByte(7);
        out.writeInt(machine.length());
        out.writeBytes(machine);
        return this;
    }

    /** The list of blocks, with their sizes in pages; the section stays open. */
    HandmadeStream startRam(Map<String, Integer> blocks) throws IOException {
        out.writeByte(1);
        out.writeInt(RAM_SECTION);
        shortString("ram");
        out.writeInt(0);
        out.writeInt(4);
        out.writeLong(blocks.values().stream().mapToLong(pages -> pages * 4096L).sum() | 4);
        for (Map.Entry<String, Integer> block : blocks.entrySet()) {
            shortString(block.getKey());
            out.writeLong(block.getValue() * 4096L);
        }
        return this;
    }

    HandmadeStream beginPart() throws IOException {
        out.writeByte(2);
        out.writeInt(RAM_SECTION);
        return this;
    }

    HandmadeStream page(String block, long page, byte[] content) throws IOException {
        record(block, page, 8);
        out.write(content);
        return this;
    }

    HandmadeStream zero(String block, long page) throws IOException {
        record(block, page, 2);
        out.writeByte(0);
        return this;
    }

    /** As QEMU does, a block is named only when it is another than before. */
    private void record(String block, long page, int flag) throws IOException {
        if (block.equals(lastBlock)) {
            out.writeLong(page * 4096 | flag | 0x20);
        } else {
            out.writeLong(page * 4096 | flag);
            shortString(block);
            lastBlock = block;
        }
    }

    HandmadeStream endSection() throws IOException {
        out.writeLong(0x10);
        footer(RAM_SECTION);
        return this;
    }

    /** The command of QEMU 10. */
    HandmadeStream switchover() throws IOException {
        out.writeByte(8);
        out.writeShort(11);
        out.writeShort(0);
        return this;
    }

    HandmadeStream devices() throws IOException {
        out.writeByte(4);
        out.writeInt(5);
        shortString("timer");
        out.writeInt(0);
        out.writeInt(2);
        out.writeLong(77);
        footer(5);
        out.writeByte(0);
        out.writeByte(6);
        out.writeInt(DESCRIPTION.length());
        out.writeBytes(DESCRIPTION);
        return this;
    }

    private void shortString(String text) throws IOException {
        out.writeByte(text.length());
        out.writeBytes(text);
    }

    private void footer(int sectionId) throws IOException {
        out.writeByte(0x7e);
        out.writeInt(sectionId);
    }

    byte[] toByteArray() {
        return bytes.toByteArray();
    }
}
