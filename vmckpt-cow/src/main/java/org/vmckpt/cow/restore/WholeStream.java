package org.vmckpt.cow.restore;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.BitSet;
import java.util.List;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.LayeredReader;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.stream.DeviceStream;
import org.vmckpt.core.stream.RamEncoder;
import org.vmckpt.core.stream.StreamStart;

/**
 * A migration stream made whole again: the device stream with the pages of guest memory put in
 * behind its list of RAM blocks. Every page is in it, zeros too: memory of the new guest need not
 * be zeros, for example that from a file.
 */
final class WholeStream implements DeviceStateFeeder.Content {
    private static final String PHASE = "fill memory";
    private static final int PAGE_BYTES = 4096;
    private static final int PIECE_PAGES = 64;

    private final Store store;
    private final List<MemoryBlock> memory;
    private final DeviceStream stream;
    private final byte[] devices;
    private final ProgressListener progress;
    private final long totalBytes;

    /** Guards the channel, writtenBytes and the set of pages that were written. */
    private final Object writing = new Object();

    private long writtenBytes;

    WholeStream(
            Store store,
            List<MemoryBlock> memory,
            DeviceStream stream,
            byte[] devices,
            ProgressListener progress)
            throws CorruptException {
        this.store = store;
        this.memory = memory;
        this.stream = stream;
        this.devices = devices;
        this.progress = progress;
        this.totalBytes = memory.stream().mapToLong(MemoryBlock::sizeBytes).sum();
        for (MemoryBlock block : memory) {
            requireNamed(block);
        }
    }

    /** Its pages would not load, and QEMU tells the reason badly. */
    private void requireNamed(MemoryBlock block) throws CorruptException {
        boolean named =
                stream.ramBlocks().stream()
                        .anyMatch(ram ->
                                ram.name().equals(block.id())
                                        && ram.sizeBytes() == block.sizeBytes());
        if (!named || block.pageSizeBytes() != PAGE_BYTES) {
            throw new CorruptException(
                    "restore: memory %s of %d bytes is not in the checkpoint's device state; the manifest and the device segment do not belong together; restore another checkpoint"
                            .formatted(block.id(), block.sizeBytes()));
        }
    }

    /** Bytes of pages that are not zeros, without what surrounds them. */
    long writtenBytes() {
        synchronized (writing) {
            return writtenBytes;
        }
    }

    @Override
    public void writeTo(WritableByteChannel channel) throws IOException, VmckptException {
        int setupEnd = stream.ramSetupEnd();
        DeviceStateFeeder.writeFully(
                channel, ByteBuffer.wrap(StreamStart.ofWholeStream(devices, stream)));
        for (MemoryBlock block : memory) {
            writeSection(block, channel);
        }
        progress.update(PHASE, totalBytes, totalBytes, "bytes");
        DeviceStateFeeder.writeFully(
                channel, ByteBuffer.wrap(devices, setupEnd, devices.length - setupEnd));
    }

    private void writeSection(MemoryBlock block, WritableByteChannel channel)
            throws IOException, VmckptException {
        ByteBuffer frame = ByteBuffer.allocate(RamEncoder.SECTION_BYTES);
        RamEncoder.beginPart(frame, stream.ramSectionId());
        DeviceStateFeeder.writeFully(channel, frame.flip());
        BitSet written = new BitSet();
        if (!block.layers().isEmpty()) {
            try (LayeredReader reader = store.openLayers(block.layers())) {
                ParallelRead.of(
                        reader,
                        (pages, count, data) ->
                                writePages(block, channel, written, pages, count, data));
            }
        }
        writeZeros(block, channel, written);
        RamEncoder.end(frame.clear(), stream.ramSectionId());
        DeviceStateFeeder.writeFully(channel, frame.flip());
    }

    private void writePages(
            MemoryBlock block,
            WritableByteChannel channel,
            BitSet written,
            long[] pages,
            int count,
            ByteBuffer data)
            throws ProtocolException {
        ByteBuffer records = ByteBuffer.allocate(count * RamEncoder.MAX_RECORD_BYTES);
        for (int i = 0; i < count; i++) {
            ByteBuffer page = data.slice(data.position() + i * PAGE_BYTES, PAGE_BYTES);
            RamEncoder.page(records, block.id(), pages[i], page);
        }
        synchronized (writing) {
            try {
                DeviceStateFeeder.writeFully(channel, records.flip());
            } catch (IOException e) {
                throw new ProtocolException(
                        "QEMU stopped reading guest memory " + block.id() + ": " + e.getMessage(),
                        e);
            }
            for (int i = 0; i < count; i++) {
                written.set(Math.toIntExact(pages[i]));
            }
            writtenBytes += (long) count * PAGE_BYTES;
            progress.update(PHASE, writtenBytes, totalBytes, "bytes");
        }
    }

    private static void writeZeros(MemoryBlock block, WritableByteChannel channel, BitSet written)
            throws IOException {
        int pageCount = Math.toIntExact(block.sizeBytes() / PAGE_BYTES);
        ByteBuffer records = ByteBuffer.allocate(PIECE_PAGES * RamEncoder.MAX_RECORD_BYTES);
        int page = written.nextClearBit(0);
        while (page < pageCount) {
            if (records.remaining() < RamEncoder.MAX_RECORD_BYTES) {
                DeviceStateFeeder.writeFully(channel, records.flip());
                records.clear();
            }
            RamEncoder.zero(records, block.id(), page);
            page = written.nextClearBit(page + 1);
        }
        DeviceStateFeeder.writeFully(channel, records.flip());
    }
}
