package org.vmckpt.core.stream;

import static org.vmckpt.core.stream.StreamFormat.EOF;
import static org.vmckpt.core.stream.StreamFormat.FILE_MAGIC;
import static org.vmckpt.core.stream.StreamFormat.FILE_VERSION;
import static org.vmckpt.core.stream.StreamFormat.SECTION_FULL;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.stream.DeviceStream.Section;

/**
 * Device sections as {@code xen-save-devices-state} writes them (QEMU's migration/savevm.c,
 * qemu_save_device_state): magic, version, one section a device, end mark; no configuration, no RAM
 * and no description.
 *
 * <p>So nothing tells how long a section is. Its end is found by its footer, from which other
 * sections must lead to the end of the file. A guest can write footers and headers into a device,
 * and have us take the device for several; that harms nobody. The bytes go on as they are, QEMU
 * knows how long its devices are, and nothing else is decided by where we think that they end.
 *
 * @param start of the first section in the file, bytes
 * @param end behind the end mark, which is the file's end, bytes
 * @param possibleIds the numbers of the sections, and of whatever looks like one
 */
record BareDevices(int start, int end, List<Section> sections, Set<Integer> possibleIds) {

    BareDevices {
        sections = List.copyOf(sections);
        possibleIds = Set.copyOf(possibleIds);
    }

    static BareDevices parse(byte[] file) throws VmckptException {
        StreamCursor in = new StreamCursor(file, file.length);
        if (in.readInt() != FILE_MAGIC || in.readInt() != FILE_VERSION) {
            throw in.corrupt("it does not start with QEVM and version " + FILE_VERSION);
        }
        int start = in.offset();
        SectionChain chain = SectionChain.find(ByteBuffer.wrap(file), start);
        List<Section> sections = new ArrayList<>();
        while (in.peek() != EOF) {
            sections.add(readSection(in, chain));
        }
        in.readByte();
        if (in.offset() != file.length) {
            throw in.corrupt((file.length - in.offset()) + " bytes follow the end mark");
        }
        if (sections.isEmpty()) {
            throw in.corrupt("it holds no device");
        }
        return new BareDevices(start, file.length, sections, chain.sectionIds());
    }

    private static Section readSection(StreamCursor in, SectionChain chain) throws VmckptException {
        int header = in.offset();
        in.expect(SECTION_FULL, "a section of a device");
        int sectionId = in.readInt();
        String name = in.readShortString();
        int instance = in.readInt();
        int version = in.readInt();
        int offset = in.offset();
        int footer =
                chain.footerOf(header)
                        .orElseThrow(
                                () -> in.corrupt("the section of \"" + name + "\" has no end"));
        in.skip(footer - offset + (long) SectionChain.FOOTER_BYTES);
        return new Section(name, instance, version, sectionId, offset, footer - offset);
    }
}
