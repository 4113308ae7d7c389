package org.vmckpt.core.stream;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.vmckpt.core.CorruptException;

/**
 * A complete device stream, taken apart.
 *
 * @param machine the versioned machine type that wrote it, for example {@code pc-i440fx-7.2}
 * @param ramBlocks every RAM block of the guest, also those whose content is elsewhere
 * @param sections the devices, in stream order
 * @param description QEMU's own description of every field
 */
public record DeviceStream(
        String machine, List<RamBlock> ramBlocks, List<Section> sections, JsonNode description) {

    public DeviceStream {
        ramBlocks = List.copyOf(ramBlocks);
        sections = List.copyOf(sections);
    }

    /**
     * A RAM block.
     *
     * @param name as QEMU names it: the id of a memory backend, or a device's path and a name
     * @param guestAddress of the memory region inside its container
     * @param pagesInStream how many of its pages the stream itself holds
     */
    public record RamBlock(String name, long sizeBytes, long guestAddress, long pagesInStream) {}

    /**
     * The state of one device.
     *
     * @param offset where its payload starts in the stream, bytes
     * @param sizeBytes of its payload
     */
    public record Section(
            String name, int instance, int version, int sectionId, int offset, int sizeBytes) {}

    /**
     * Parses a stream and checks that nothing of it is missing.
     *
     * @throws CorruptException the stream is cut short, damaged, or not a device stream
     */
    public static DeviceStream parse(byte[] stream) throws CorruptException {
        return new DeviceStreamParser(stream).parse();
    }
}
