package org.vmckpt.core.stream;

import static org.vmckpt.core.stream.StreamFormat.PAGE_BYTES;
import static org.vmckpt.core.stream.StreamFormat.RAM_END;
import static org.vmckpt.core.stream.StreamFormat.RAM_FLAGS;
import static org.vmckpt.core.stream.StreamFormat.RAM_PAGE;
import static org.vmckpt.core.stream.StreamFormat.RAM_SAME_BLOCK;
import static org.vmckpt.core.stream.StreamFormat.RAM_SIZES;
import static org.vmckpt.core.stream.StreamFormat.RAM_ZERO;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.stream.DeviceStream.RamBlock;

/**
 * What RAM's sections say, record by record. A page may belong to the block of the page before it,
 * also when that was in an earlier section.
 */
final class RamRecords {
    private static final int MAX_BLOCKS = 4096;

    /** Hears the records in the order of the stream. */
    interface Visitor {
        void blocks(List<RamBlock> blocks) throws VmckptException;

        /** {@code page} counts from the block's start. */
        void zero(RamBlock block, long page) throws VmckptException;

        /** {@code content} is valid during the call. */
        void page(RamBlock block, long page, ByteBuffer content) throws VmckptException;
    }

    private final StreamInput in;
    private final boolean withAddresses;
    private final Visitor visitor;
    private final Map<String, RamBlock> blocks = new LinkedHashMap<>();
    private @Nullable RamBlock current;

    RamRecords(StreamInput in, StreamHeader header, Visitor visitor) {
        this.in = in;
        this.withAddresses = header.ignoresShared();
        this.visitor = visitor;
    }

    /** Reads the body of one section up to its end mark. */
    void readSection() throws VmckptException {
        while (true) {
            long word = in.readLong();
            int flags = (int) (word & RAM_FLAGS);
            switch (flags & ~RAM_SAME_BLOCK) {
                case RAM_SIZES -> readSizes(word & ~RAM_FLAGS);
                case RAM_ZERO, RAM_PAGE -> readPage(word & ~RAM_FLAGS, flags);
                case RAM_END -> {
                    return;
                }
                default -> throw in.corrupt("RAM flags 0x%x are unknown".formatted(flags));
            }
        }
    }

    private void readSizes(long totalBytes) throws VmckptException {
        long leftBytes = totalBytes;
        while (leftBytes > 0) {
            String name = in.readShortString();
            long sizeBytes = in.readLong();
            long guestAddress = withAddresses ? in.readLong() : 0;
            if (sizeBytes <= 0 || sizeBytes > leftBytes || sizeBytes % PAGE_BYTES != 0) {
                throw in.corrupt("RAM block \"" + name + "\" has a size of " + sizeBytes);
            }
            if (blocks.put(name, new RamBlock(name, sizeBytes, guestAddress, 0)) != null) {
                throw in.corrupt("RAM block \"" + name + "\" is named twice");
            }
            if (blocks.size() > MAX_BLOCKS) {
                throw in.corrupt("more than " + MAX_BLOCKS + " RAM blocks");
            }
            leftBytes -= sizeBytes;
        }
        visitor.blocks(List.copyOf(blocks.values()));
    }

    private void readPage(long offset, int flags) throws VmckptException {
        RamBlock block = (flags & RAM_SAME_BLOCK) == 0 ? named(in.readShortString()) : current;
        if (block == null) {
            throw in.corrupt("a page of the RAM block before it, and there is none");
        }
        if (offset < 0 || offset >= block.sizeBytes()) {
            throw in.corrupt(
                    "a page at %d of the RAM block \"%s\" of %d bytes"
                            .formatted(offset, block.name(), block.sizeBytes()));
        }
        current = block;
        if ((flags & RAM_PAGE) != 0) {
            visitor.page(block, offset / PAGE_BYTES, in.take(PAGE_BYTES));
        } else {
            in.expect(0, "the content of a page of zeros");
            visitor.zero(block, offset / PAGE_BYTES);
        }
    }

    private RamBlock named(String name) throws VmckptException {
        RamBlock block = blocks.get(name);
        if (block == null) {
            throw in.corrupt("a page of the unknown RAM block \"" + name + "\"");
        }
        return block;
    }
}
