package org.vmckpt.core.stream;

import static org.vmckpt.core.stream.StreamFormat.EOF;
import static org.vmckpt.core.stream.StreamFormat.FILE_MAGIC;
import static org.vmckpt.core.stream.StreamFormat.FILE_VERSION;
import static org.vmckpt.core.stream.StreamFormat.SECTION_FOOTER;
import static org.vmckpt.core.stream.StreamFormat.SECTION_FULL;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.stream.DeviceStream.Section;

/**
 * Device sections as {@code xen-save-devices-state} writes them (QEMU's migration/savevm.c,
 * qemu_save_device_state): magic, version, one section a device, end mark; no configuration, no RAM
 * and no description.
 *
 * <p>So nothing tells how long a section is. Its end is found by its footer, which counts only when
 * another section or the end of the file follows it. A guest can write that into a device, and then
 * there are two ends to choose from: such a file is refused.
 *
 * @param start of the first section in the file, bytes
 * @param end behind the end mark, which is the file's end, bytes
 */
record BareDevices(int start, int end, List<Section> sections) {
    private static final int FOOTER_BYTES = 1 + Integer.BYTES;

    /** Mark, number, length of the name, one letter of it, instance, version. */
    private static final int SMALLEST_HEADER_BYTES = 1 + Integer.BYTES + 1 + 1 + 2 * Integer.BYTES;

    /** Where in a header the length of the name is: behind mark and number. */
    private static final int NAME_OFFSET = 1 + Integer.BYTES;

    private static final int NOT_FOUND = -1;

    BareDevices {
        sections = List.copyOf(sections);
    }

    static BareDevices parse(byte[] file) throws VmckptException {
        StreamCursor in = new StreamCursor(file, file.length);
        if (in.readInt() != FILE_MAGIC || in.readInt() != FILE_VERSION) {
            throw in.corrupt("it does not start with QEVM and version " + FILE_VERSION);
        }
        int start = in.offset();
        List<Section> sections = new ArrayList<>();
        Set<Integer> seen = new HashSet<>();
        while (in.peek() != EOF) {
            Section section = readSection(in, ByteBuffer.wrap(file));
            if (!seen.add(section.sectionId())) {
                throw in.corrupt("a second section " + section.sectionId());
            }
            sections.add(section);
        }
        in.readByte();
        if (in.offset() != file.length) {
            throw in.corrupt((file.length - in.offset()) + " bytes follow the end mark");
        }
        if (sections.isEmpty()) {
            throw in.corrupt("it holds no device");
        }
        return new BareDevices(start, file.length, sections);
    }

    private static Section readSection(StreamCursor in, ByteBuffer file) throws VmckptException {
        in.expect(SECTION_FULL, "a section of a device");
        int sectionId = in.readInt();
        String name = in.readShortString();
        int instance = in.readInt();
        int version = in.readInt();
        int offset = in.offset();
        int footer = findFooter(file, offset, sectionId);
        if (footer == NOT_FOUND) {
            throw in.corrupt("the section of \"" + name + "\" has no end");
        }
        if (findFooter(file, footer + 1, sectionId) != NOT_FOUND) {
            throw ambiguous(name);
        }
        in.skip(footer - offset + (long) FOOTER_BYTES);
        return new Section(name, instance, version, sectionId, offset, footer - offset);
    }

    private static CorruptException ambiguous(String name) {
        return new CorruptException(
                "device stream: the state of \""
                        + name
                        + "\" holds what looks like its own end, so its length is not known;"
                        + " take the checkpoint again");
    }

    private static int findFooter(ByteBuffer file, int from, int sectionId) {
        // Behind it there is at least the end mark.
        for (int at = from; at < file.capacity() - FOOTER_BYTES; at++) {
            if (file.get(at) == SECTION_FOOTER
                    && file.getInt(at + 1) == sectionId
                    && (isEnd(file, at + FOOTER_BYTES) || isHeader(file, at + FOOTER_BYTES))) {
                return at;
            }
        }
        return NOT_FOUND;
    }

    private static boolean isEnd(ByteBuffer file, int at) {
        return at == file.capacity() - 1 && file.get(at) == EOF;
    }

    private static boolean isHeader(ByteBuffer file, int at) {
        if (file.capacity() - at < SMALLEST_HEADER_BYTES || file.get(at) != SECTION_FULL) {
            return false;
        }
        int nameBytes = file.get(at + NAME_OFFSET) & 0xff;
        if (nameBytes == 0 || file.capacity() - at - SMALLEST_HEADER_BYTES < nameBytes - 1) {
            return false;
        }
        byte[] name = new byte[nameBytes];
        file.get(at + NAME_OFFSET + 1, name);
        return new String(name, StandardCharsets.ISO_8859_1)
                .chars()
                .allMatch(letter -> letter >= ' ' && letter <= '~');
    }
}
