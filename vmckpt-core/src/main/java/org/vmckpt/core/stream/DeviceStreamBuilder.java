package org.vmckpt.core.stream;

import static org.vmckpt.core.stream.StreamFormat.CONFIGURATION;
import static org.vmckpt.core.stream.StreamFormat.DESCRIPTION;
import static org.vmckpt.core.stream.StreamFormat.FILE_MAGIC;
import static org.vmckpt.core.stream.StreamFormat.FILE_VERSION;
import static org.vmckpt.core.stream.StreamFormat.IGNORE_SHARED;
import static org.vmckpt.core.stream.StreamFormat.PAGE_BYTES;
import static org.vmckpt.core.stream.StreamFormat.RAM_VERSION;
import static org.vmckpt.core.stream.StreamFormat.SECTION_START;
import static org.vmckpt.core.stream.StreamFormat.SUBSECTION;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.stream.DeviceStream.RamBlock;
import org.vmckpt.core.stream.DeviceStream.Section;

/**
 * Makes the {@link DeviceStream} that QEMU would have written with {@code x-ignore-shared}, from
 * its devices alone and the RAM blocks that belong in it. All but the description is byte for byte
 * what {@code snapshot-save} of QEMU 10 writes; QEMU does not read the description, which here
 * tells no more of a device than how long its state is.
 */
public final class DeviceStreamBuilder {
    private static final String CAPABILITIES = "configuration/capabilities";
    private static final ByteBuffer ZEROS =
            ByteBuffer.allocateDirect(PAGE_BYTES).asReadOnlyBuffer();

    private final KeptBytes stream = new KeptBytes();
    private final ByteBuffer record = ByteBuffer.allocate(RamEncoder.MAX_RECORD_BYTES);

    private DeviceStreamBuilder() {}

    /**
     * A RAM block that is in the stream.
     *
     * @param content from its position to its limit, whole pages
     */
    public record Content(String block, ByteBuffer content) {}

    /**
     * Builds a stream.
     *
     * @param machine the versioned machine type, without {@code -machine}
     * @param devices what {@code xen-save-devices-state} wrote
     * @param blocks all RAM blocks that QEMU migrates, in its order
     * @param contents those of them that are not shared memory
     * @throws VmckptException Corrupt when {@code devices} is cut short or not what it should be,
     *     Unsupported when the result is too large
     */
    public static byte[] build(
            String machine, byte[] devices, List<RamBlock> blocks, List<Content> contents)
            throws VmckptException {
        BareDevices bare = BareDevices.parse(devices);
        int ramId = unusedId(bare.possibleIds());
        DeviceStreamBuilder builder = new DeviceStreamBuilder();
        builder.writeHeader(machine);
        builder.startRam(ramId, blocks);
        for (Content content : contents) {
            builder.writePages(ramId, content);
        }
        builder.stream.write(ByteBuffer.wrap(devices, bare.start(), bare.end() - bare.start()));
        builder.writeDescription(bare.sections());
        return builder.stream.toByteArray();
    }

    private static int unusedId(Set<Integer> used) {
        int id = 1;
        while (used.contains(id)) {
            id++;
        }
        return id;
    }

    private void keep(ByteBuffer written) throws VmckptException {
        stream.write(written.flip());
        written.clear();
    }

    private void writeHeader(String machine) throws VmckptException {
        byte[] name = machine.getBytes(StandardCharsets.ISO_8859_1);
        record.putInt(FILE_MAGIC).putInt(FILE_VERSION);
        record.put((byte) CONFIGURATION).putInt(name.length).put(name);
        record.put((byte) SUBSECTION);
        RamEncoder.name(record, CAPABILITIES);
        record.putInt(1); // the subsection's version
        record.putInt(1); // one capability follows
        RamEncoder.name(record, IGNORE_SHARED);
        keep(record);
    }

    private void startRam(int ramId, List<RamBlock> blocks) throws VmckptException {
        record.put((byte) SECTION_START).putInt(ramId);
        RamEncoder.name(record, "ram");
        record.putInt(0).putInt(RAM_VERSION);
        keep(record);
        ByteBuffer sizes =
                ByteBuffer.allocate(Long.BYTES + blocks.size() * RamEncoder.MAX_SIZE_BYTES);
        RamEncoder.sizes(sizes, blocks, true);
        keep(sizes);
        RamEncoder.end(record, ramId);
        keep(record);
    }

    /** Zeros are written too: the new guest's blocks need not be zeros, for example its ROMs. */
    private void writePages(int ramId, Content content) throws VmckptException {
        RamEncoder.beginPart(record, ramId);
        keep(record);
        ByteBuffer data = content.content();
        int start = data.position();
        int pageCount = data.remaining() / PAGE_BYTES;
        for (int page = 0; page < pageCount; page++) {
            ByteBuffer bytes = data.slice(start + page * PAGE_BYTES, PAGE_BYTES);
            if (bytes.mismatch(ZEROS) < 0) {
                RamEncoder.zero(record, content.block(), page);
            } else {
                RamEncoder.page(record, content.block(), page, bytes);
            }
            keep(record);
        }
        RamEncoder.end(record, ramId);
        keep(record);
    }

    private void writeDescription(List<Section> sections) throws VmckptException {
        ObjectNode description = Json.MAPPER.createObjectNode().put("page_size", PAGE_BYTES);
        ArrayNode devices = description.putArray("devices");
        for (Section section : sections) {
            ObjectNode device =
                    devices.addObject()
                            .put("name", section.name())
                            .put("instance_id", section.instance())
                            .put("version", section.version());
            device.putArray("fields")
                    .addObject()
                    .put("name", "state")
                    .put("type", "buffer")
                    .put("size", section.sizeBytes());
        }
        byte[] text = description.toString().getBytes(StandardCharsets.UTF_8);
        keep(record.put((byte) DESCRIPTION).putInt(text.length));
        stream.write(ByteBuffer.wrap(text));
    }
}
