package org.vmckpt.core.stream;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.VmckptException;

/**
 * A complete device stream, taken apart.
 *
 * @param machine the versioned machine type that wrote it, for example {@code pc-i440fx-7.2}
 * @param ignoresShared whether QEMU itself left shared memory out, and expects to find it in place
 * @param ramBlocks every RAM block of the guest, also those whose content is elsewhere
 * @param ramSectionId the number of the section of RAM
 * @param ramSetupEnd where further parts of RAM can be put into the stream, bytes
 * @param sections the devices, in stream order
 * @param description of every field, by QEMU, or of every device, by {@link DeviceStreamBuilder}
 */
public record DeviceStream(
        String machine,
        boolean ignoresShared,
        List<RamBlock> ramBlocks,
        int ramSectionId,
        int ramSetupEnd,
        List<Section> sections,
        JsonNode description) {

    public DeviceStream {
        ramBlocks = List.copyOf(ramBlocks);
        sections = List.copyOf(sections);
    }

    /**
     * A RAM block.
     *
     * @param name as QEMU names it: the id of a memory backend, or a device's path and a name
     * @param guestAddress of the memory region inside its container; 0 where the stream does not
     *     say
     * @param pagesInStream how many different pages of it the stream itself holds
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
    public static DeviceStream parse(byte[] stream) throws VmckptException {
        return new DeviceStreamParser(stream).parse();
    }
}
