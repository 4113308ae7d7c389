package org.vmckpt.core.stream;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Json;
import org.vmckpt.core.stream.DeviceStream.RamBlock;
import org.vmckpt.core.stream.DeviceStream.Section;

/** One pass over a stream. The constants are those of QEMU's migration/savevm.c and ram.c. */
final class DeviceStreamParser {
    private static final int FILE_MAGIC = 0x5145564d;
    private static final int FILE_VERSION = 3;
    private static final int EOF = 0x00;
    private static final int SECTION_START = 0x01;
    private static final int SECTION_PART = 0x02;
    private static final int SECTION_END = 0x03;
    private static final int SECTION_FULL = 0x04;
    private static final int SUBSECTION = 0x05;
    private static final int DESCRIPTION = 0x06;
    private static final int CONFIGURATION = 0x07;
    private static final int SECTION_FOOTER = 0x7e;

    private static final int RAM_ZERO = 0x02;
    private static final int RAM_SIZES = 0x04;
    private static final int RAM_PAGE = 0x08;
    private static final int RAM_END = 0x10;
    private static final int RAM_SAME_BLOCK = 0x20;
    private static final int RAM_FLAGS = 0xfff;

    private static final int PAGE_BYTES = 4096;
    private static final int UUID_BYTES = 16;
    private static final int DESCRIPTION_HEADER_BYTES = 5;

    private final byte[] stream;
    private final Map<String, RamBlock> ramBlocks = new LinkedHashMap<>();
    private final List<Section> sections = new ArrayList<>();

    DeviceStreamParser(byte[] stream) {
        this.stream = stream;
    }

    DeviceStream parse() throws CorruptException {
        int descriptionStart = findDescription();
        JsonNode description = readDescription(descriptionStart);
        StreamCursor in = new StreamCursor(stream, descriptionStart);
        String machine = readHeader(in);
        readSections(in, description.path("devices"));
        if (in.position() != descriptionStart) {
            throw in.corrupt((descriptionStart - in.position()) + " bytes follow the end mark");
        }
        return new DeviceStream(machine, List.copyOf(ramBlocks.values()), sections, description);
    }

    /** The description is last and tells its own length, so it is found from the end. */
    private int findDescription() throws CorruptException {
        for (int start = stream.length - DESCRIPTION_HEADER_BYTES - 2; start >= 0; start--) {
            if (stream[start] == DESCRIPTION && stream[start + DESCRIPTION_HEADER_BYTES] == '{') {
                StreamCursor in = new StreamCursor(stream, stream.length);
                in.skip(start + 1L);
                if (in.readInt() == stream.length - start - DESCRIPTION_HEADER_BYTES) {
                    return start;
                }
            }
        }
        throw new StreamCursor(stream, stream.length)
                .corrupt(
                        "no description of the devices ends it, so it is cut short or no device"
                                + " stream");
    }

    private JsonNode readDescription(int start) throws CorruptException {
        int jsonStart = start + DESCRIPTION_HEADER_BYTES;
        try {
            JsonNode description =
                    Json.MAPPER.readTree(stream, jsonStart, stream.length - jsonStart);
            if (!description.path("devices").isArray()) {
                throw new IOException("it lists no devices");
            }
            return description;
        } catch (IOException e) {
            throw new CorruptException(
                    "device stream: its description is not readable: "
                            + e.getMessage()
                            + "; take the checkpoint again",
                    e);
        }
    }

    private static String readHeader(StreamCursor in) throws CorruptException {
        if (in.readInt() != FILE_MAGIC) {
            throw in.corrupt("it does not start with QEVM");
        }
        int version = in.readInt();
        if (version != FILE_VERSION) {
            throw in.corrupt("version " + version + " is unknown, expected " + FILE_VERSION);
        }
        in.expect(CONFIGURATION, "the configuration section");
        String machine = in.readString(in.readInt());
        while (in.peek() == SUBSECTION) {
            in.readByte();
            skipConfiguration(in, in.readShortString());
        }
        return machine;
    }

    private static void skipConfiguration(StreamCursor in, String name) throws CorruptException {
        in.readInt(); // the subsection's version
        switch (name) {
            case "configuration/target-page-bits" -> in.readInt();
            case "configuration/uuid" -> in.skip(UUID_BYTES);
            case "configuration/capabilities" -> {
                int count = in.readInt();
                for (int i = 0; i < count; i++) {
                    in.readShortString();
                }
            }
            default -> throw in.corrupt("unknown configuration \"" + name + "\"");
        }
    }

    private void readSections(StreamCursor in, JsonNode devices) throws CorruptException {
        int ramSectionId = -1;
        int deviceIndex = 0;
        for (int mark = in.readByte(); mark != EOF; mark = in.readByte()) {
            int sectionId = in.readInt();
            switch (mark) {
                case SECTION_START -> {
                    ramSectionId = requireRam(in, sectionId);
                    readRam(in);
                }
                case SECTION_PART, SECTION_END -> {
                    if (sectionId != ramSectionId) {
                        throw in.corrupt("section " + sectionId + " goes on but never started");
                    }
                    readRam(in);
                }
                case SECTION_FULL -> readDevice(in, sectionId, devices.path(deviceIndex++));
                default -> throw in.corrupt("0x%02x starts no section".formatted(mark));
            }
            in.expect(SECTION_FOOTER, "a section footer");
            if (in.readInt() != sectionId) {
                throw in.corrupt("the footer is not that of section " + sectionId);
            }
        }
        if (deviceIndex != devices.size()) {
            throw in.corrupt(
                    "it describes " + devices.size() + " devices and holds " + deviceIndex);
        }
    }

    private static int requireRam(StreamCursor in, int sectionId) throws CorruptException {
        String name = in.readShortString();
        in.readInt(); // instance
        in.readInt(); // version
        if (!name.equals("ram")) {
            throw in.corrupt("expected the section of RAM, found that of \"" + name + "\"");
        }
        return sectionId;
    }

    private void readDevice(StreamCursor in, int sectionId, JsonNode description)
            throws CorruptException {
        String name = in.readShortString();
        int instance = in.readInt();
        int version = in.readInt();
        if (!name.equals(description.path("name").asText())) {
            throw in.corrupt(
                    "device \""
                            + name
                            + "\" is not the one described next: "
                            + description.path("name"));
        }
        int offset = in.position();
        long sizeBytes = sizeOf(description);
        in.skip(sizeBytes);
        sections.add(new Section(name, instance, version, sectionId, offset, (int) sizeBytes));
    }

    private static long sizeOf(JsonNode description) {
        long sizeBytes = 0;
        for (JsonNode field : description.path("fields")) {
            sizeBytes += field.path("size").asLong() * field.path("array_len").asLong(1);
        }
        for (JsonNode subsection : description.path("subsections")) {
            int nameBytes = subsection.path("vmsd_name").asText().length();
            // The mark, the name's length, the name, the version.
            sizeBytes += 1 + 1 + nameBytes + Integer.BYTES + sizeOf(subsection);
        }
        return sizeBytes;
    }

    private void readRam(StreamCursor in) throws CorruptException {
        String current = "";
        while (true) {
            long word = in.readLong();
            int flags = (int) (word & RAM_FLAGS);
            if (flags == RAM_END) {
                return;
            }
            if (flags == RAM_SIZES) {
                readRamSizes(in, word & ~RAM_FLAGS);
            } else if ((flags & ~RAM_SAME_BLOCK) == RAM_ZERO
                    || (flags & ~RAM_SAME_BLOCK) == RAM_PAGE) {
                current = (flags & RAM_SAME_BLOCK) == 0 ? in.readShortString() : current;
                countPage(in, current);
                in.skip((flags & RAM_PAGE) == 0 ? 1 : PAGE_BYTES);
            } else {
                throw in.corrupt("RAM flags 0x%x are unknown".formatted(flags));
            }
        }
    }

    private void readRamSizes(StreamCursor in, long totalBytes) throws CorruptException {
        long leftBytes = totalBytes;
        while (leftBytes > 0) {
            String name = in.readShortString();
            long sizeBytes = in.readLong();
            long guestAddress = in.readLong();
            if (sizeBytes <= 0) {
                throw in.corrupt("RAM block \"" + name + "\" has a size of " + sizeBytes);
            }
            ramBlocks.put(name, new RamBlock(name, sizeBytes, guestAddress, 0));
            leftBytes -= sizeBytes;
        }
    }

    private void countPage(StreamCursor in, String blockName) throws CorruptException {
        RamBlock block = ramBlocks.get(blockName);
        if (block == null) {
            throw in.corrupt("a page of the unknown RAM block \"" + blockName + "\"");
        }
        ramBlocks.put(
                blockName,
                new RamBlock(
                        block.name(),
                        block.sizeBytes(),
                        block.guestAddress(),
                        block.pagesInStream() + 1));
    }
}
