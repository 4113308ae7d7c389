package org.vmckpt.core.stream;

import static org.vmckpt.core.stream.StreamFormat.COMMAND;
import static org.vmckpt.core.stream.StreamFormat.DESCRIPTION;
import static org.vmckpt.core.stream.StreamFormat.EOF;
import static org.vmckpt.core.stream.StreamFormat.SECTION_END;
import static org.vmckpt.core.stream.StreamFormat.SECTION_FOOTER;
import static org.vmckpt.core.stream.StreamFormat.SECTION_FULL;
import static org.vmckpt.core.stream.StreamFormat.SECTION_PART;
import static org.vmckpt.core.stream.StreamFormat.SECTION_START;
import static org.vmckpt.core.stream.StreamFormat.SWITCHOVER_START;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.stream.DeviceStream.Section;

/** One pass over a stream. */
final class DeviceStreamParser {
    private static final int DESCRIPTION_HEADER_BYTES = 5;
    private static final int NO_SECTION = -1;

    private final byte[] stream;
    private final PageCounter ram = new PageCounter();
    private final List<Section> sections = new ArrayList<>();
    private int ramSectionId = NO_SECTION;
    private int ramSetupEnd;

    DeviceStreamParser(byte[] stream) {
        this.stream = stream;
    }

    DeviceStream parse() throws VmckptException {
        int descriptionStart = findDescription();
        JsonNode description = readDescription(descriptionStart);
        StreamCursor in = new StreamCursor(stream, descriptionStart);
        StreamHeader header = StreamHeader.read(in);
        readSections(in, header, description.path("devices"));
        if (in.offset() != descriptionStart) {
            throw in.corrupt((descriptionStart - in.offset()) + " bytes follow the end mark");
        }
        return new DeviceStream(
                header.machine(),
                header.ignoresShared(),
                ram.blocks(),
                ramSectionId,
                ramSetupEnd,
                sections,
                description);
    }

    /** The description is last and tells its own length, so it is found from the end. */
    private int findDescription() throws VmckptException {
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

    private void readSections(StreamCursor in, StreamHeader header, JsonNode devices)
            throws VmckptException {
        RamRecords records = new RamRecords(in, header, ram);
        int deviceIndex = 0;
        for (int mark = in.readByte(); mark != EOF; mark = in.readByte()) {
            if (mark == COMMAND) {
                readCommand(in);
                continue;
            }
            int sectionId = in.readInt();
            switch (mark) {
                case SECTION_START -> {
                    startRam(in, sectionId);
                    records.readSection();
                }
                case SECTION_PART, SECTION_END -> {
                    if (sectionId != ramSectionId) {
                        throw in.corrupt("section " + sectionId + " goes on but never started");
                    }
                    records.readSection();
                }
                case SECTION_FULL -> readDevice(in, sectionId, devices.path(deviceIndex++));
                default -> throw in.corrupt("0x%02x starts no section".formatted(mark));
            }
            in.expect(SECTION_FOOTER, "a section footer");
            if (in.readInt() != sectionId) {
                throw in.corrupt("the footer is not that of section " + sectionId);
            }
            if (mark == SECTION_START) {
                ramSetupEnd = in.offset();
            }
        }
        if (deviceIndex != devices.size()) {
            throw in.corrupt(
                    "it describes " + devices.size() + " devices and holds " + deviceIndex);
        }
    }

    static void readCommand(StreamInput in) throws VmckptException {
        int command = in.readShort();
        int sizeBytes = in.readShort();
        if (command != SWITCHOVER_START || sizeBytes != 0) {
            throw in.corrupt("command %d of %d bytes is unknown".formatted(command, sizeBytes));
        }
    }

    private void startRam(StreamCursor in, int sectionId) throws VmckptException {
        if (ramSectionId != NO_SECTION) {
            throw in.corrupt("a second section that goes on starts");
        }
        ramSectionId = sectionId;
        requireRam(in);
    }

    static void requireRam(StreamInput in) throws VmckptException {
        String name = in.readShortString();
        in.readInt(); // instance
        in.readInt(); // version
        if (!name.equals("ram")) {
            throw in.corrupt("expected the section of RAM, found that of \"" + name + "\"");
        }
    }

    private void readDevice(StreamCursor in, int sectionId, JsonNode description)
            throws VmckptException {
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
        int offset = in.offset();
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
}
