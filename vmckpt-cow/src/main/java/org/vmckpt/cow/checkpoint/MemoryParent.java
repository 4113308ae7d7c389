package org.vmckpt.cow.checkpoint;

import java.util.List;
import java.util.Optional;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.cow.memory.RamRegion;

/**
 * The memory that a new checkpoint's layers are put on.
 *
 * @param blocks empty when there is none
 * @param changesKnown only pages that the guest wrote since are captured; otherwise all are, and
 *     compared
 */
record MemoryParent(List<MemoryBlock> blocks, boolean changesKnown) {
    static final MemoryParent NONE = new MemoryParent(List.of(), false);

    MemoryParent {
        blocks = List.copyOf(blocks);
    }

    Optional<MemoryBlock> of(RamRegion region) {
        return blocks.stream()
                .filter(block ->
                        block.id().equals(region.id())
                                && block.sizeBytes() == region.sizeBytes()
                                && block.pageSizeBytes() == region.pageSizeBytes())
                .findFirst();
    }
}
