package org.vmckpt.core.stream;

import static org.vmckpt.core.stream.StreamFormat.COMMAND;
import static org.vmckpt.core.stream.StreamFormat.SECTION_END;
import static org.vmckpt.core.stream.StreamFormat.SECTION_FOOTER;
import static org.vmckpt.core.stream.StreamFormat.SECTION_PART;
import static org.vmckpt.core.stream.StreamFormat.SECTION_START;

import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.stream.DeviceStream.RamBlock;
import org.vmckpt.core.stream.RamPages.BlockPages;

/**
 * Takes the pages of guest memory out of a whole migration stream while it comes. What is left is a
 * {@link DeviceStream}: header, list of RAM blocks, pages of the blocks that nobody wanted, and the
 * devices as they came.
 */
public final class RamSplitter {
    private final ChannelInput in;
    private final RamPages pages;
    private final KeptBytes kept = new KeptBytes();
    private final ByteBuffer record = ByteBuffer.allocate(RamEncoder.MAX_RECORD_BYTES);

    private RamSplitter(ReadableByteChannel channel, RamPages pages) {
        this.in = new ChannelInput(channel);
        this.pages = pages;
    }

    /**
     * Reads a stream to its end, of which no more than a buffer and the result are held in memory.
     * The result is not checked; {@link DeviceStream#parse} does that.
     *
     * @throws VmckptException Corrupt when memory is cut short or damaged, Transport when the
     *     channel fails, Unsupported when too much is left over, or what {@code pages} threw
     */
    public static byte[] split(ReadableByteChannel channel, RamPages pages) throws VmckptException {
        return new RamSplitter(channel, pages).split();
    }

    private byte[] split() throws VmckptException {
        in.copyTo(kept);
        StreamHeader header = StreamHeader.read(in);
        in.copyTo(null);
        SectionSplitter sections = new SectionSplitter(header);
        for (int mark = in.peek(); mark == COMMAND || isMemory(mark); mark = in.peek()) {
            if (mark == COMMAND) {
                keepCommand();
            } else {
                sections.readSection();
            }
        }
        for (ByteBuffer rest = in.takeSome(); rest.hasRemaining(); rest = in.takeSome()) {
            kept.write(rest);
        }
        return kept.toByteArray();
    }

    private void keepCommand() throws VmckptException {
        in.copyTo(kept);
        in.readByte();
        DeviceStreamParser.readCommand(in);
        in.copyTo(null);
    }

    private static boolean isMemory(int mark) {
        return mark == SECTION_START || mark == SECTION_PART || mark == SECTION_END;
    }

    private void keep(ByteBuffer written) throws VmckptException {
        kept.write(written.flip());
        written.clear();
    }

    /** A section is kept from its first page that is kept; that of the setup always is. */
    private final class SectionSplitter implements RamRecords.Visitor {
        private final StreamHeader header;
        private final RamRecords records;
        private final Map<String, BlockPages> wanted = new HashMap<>();
        private int sectionId = -1;
        private boolean isKept;

        SectionSplitter(StreamHeader header) {
            this.header = header;
            this.records = new RamRecords(in, header, this);
        }

        void readSection() throws VmckptException {
            int mark = in.readByte();
            int id = in.readInt();
            isKept = mark == SECTION_START;
            if (mark == SECTION_START) {
                start(id);
            } else if (id != sectionId) {
                throw in.corrupt("section " + id + " goes on but never started");
            }
            records.readSection();
            in.expect(SECTION_FOOTER, "a section footer");
            if (in.readInt() != id) {
                throw in.corrupt("the footer is not that of section " + id);
            }
            if (isKept) {
                RamEncoder.end(record, sectionId);
                keep(record);
            }
        }

        private void start(int id) throws VmckptException {
            if (sectionId >= 0) {
                throw in.corrupt("a second section that goes on starts");
            }
            sectionId = id;
            keep(record.put((byte) SECTION_START).putInt(id));
            in.copyTo(kept);
            DeviceStreamParser.requireRam(in);
            in.copyTo(null);
        }

        @Override
        public void blocks(List<RamBlock> blocks) throws VmckptException {
            ByteBuffer sizes =
                    ByteBuffer.allocate(Long.BYTES + blocks.size() * RamEncoder.MAX_SIZE_BYTES);
            RamEncoder.sizes(sizes, blocks, header.ignoresShared());
            keep(sizes);
            for (RamBlock block : blocks) {
                Optional<BlockPages> taker = pages.open(block);
                taker.ifPresent(taken -> wanted.put(block.name(), taken));
            }
        }

        @Override
        public void zero(RamBlock block, long page) throws VmckptException {
            BlockPages taker = wanted.get(block.name());
            if (taker != null) {
                taker.zero(page);
            } else {
                beginKept();
                RamEncoder.zero(record, block.name(), page);
                keep(record);
            }
        }

        @Override
        public void page(RamBlock block, long page, ByteBuffer content) throws VmckptException {
            BlockPages taker = wanted.get(block.name());
            if (taker != null) {
                taker.page(page, content);
            } else {
                beginKept();
                RamEncoder.page(record, block.name(), page, content);
                keep(record);
            }
        }

        private void beginKept() throws VmckptException {
            if (!isKept) {
                isKept = true;
                RamEncoder.beginPart(record, sectionId);
                keep(record);
            }
        }
    }
}
