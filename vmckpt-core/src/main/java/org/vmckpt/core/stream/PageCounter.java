package org.vmckpt.core.stream;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.vmckpt.core.stream.DeviceStream.RamBlock;

/** Counts the different pages of each RAM block. */
final class PageCounter implements RamRecords.Visitor {
    private List<RamBlock> blocks = List.of();
    private final Map<String, BitSet> seen = new HashMap<>();

    @Override
    public void blocks(List<RamBlock> named) {
        blocks = named;
    }

    @Override
    public void zero(RamBlock block, long page) {
        seen.computeIfAbsent(block.name(), name -> new BitSet()).set(Math.toIntExact(page));
    }

    @Override
    public void page(RamBlock block, long page, ByteBuffer content) {
        zero(block, page);
    }

    /** With the number of pages that were seen of each. */
    List<RamBlock> blocks() {
        List<RamBlock> counted = new ArrayList<>();
        for (RamBlock block : blocks) {
            BitSet pages = seen.getOrDefault(block.name(), new BitSet());
            counted.add(
                    new RamBlock(
                            block.name(),
                            block.sizeBytes(),
                            block.guestAddress(),
                            pages.cardinality()));
        }
        return counted;
    }
}
