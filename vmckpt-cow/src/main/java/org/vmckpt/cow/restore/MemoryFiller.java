package org.vmckpt.cow.restore;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.LayeredReader;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.memory.RamRegion;

/**
 * Writes saved memory into the memory files of a QEMU that waits for its device state. Pages that
 * the checkpoint does not have stay holes, so the new guest is no larger than the old one was.
 */
final class MemoryFiller {
    private static final String PHASE = "fill memory";

    private final Store store;
    private final long pid;
    private final ProgressListener progress;
    private final AtomicLong writtenBytes = new AtomicLong();
    private final long totalBytes;

    private MemoryFiller(
            Store store, long pid, List<MemoryBlock> blocks, ProgressListener progress) {
        this.pid = pid;
        this.store = store;
        this.progress = progress;
        this.totalBytes = blocks.stream().mapToLong(MemoryBlock::sizeBytes).sum();
    }

    /**
     * Fills every block of the QEMU {@code pid}.
     *
     * @return the bytes written
     */
    static long fill(
            Store store,
            List<MemoryBlock> blocks,
            long pid,
            List<RamRegion> regions,
            ProgressListener progress)
            throws VmckptException {
        requireEqual(blocks, regions);
        MemoryFiller filler = new MemoryFiller(store, pid, blocks, progress);
        for (MemoryBlock block : blocks) {
            for (RamRegion region : regions) {
                if (region.id().equals(block.id())) {
                    filler.fill(block, region);
                }
            }
        }
        // What was not written is zeros, which the new memory has already.
        progress.update(PHASE, filler.totalBytes, filler.totalBytes, "bytes");
        return filler.writtenBytes.get();
    }

    /** Both sides must have the same blocks: one that nobody fills would come up as zeros. */
    private static void requireEqual(List<MemoryBlock> blocks, List<RamRegion> regions)
            throws UnsupportedException {
        List<String> saved =
                blocks.stream()
                        .map(block -> block.id() + " " + block.sizeBytes())
                        .sorted()
                        .toList();
        List<String> found =
                regions.stream()
                        .map(region -> region.id() + " " + region.sizeBytes())
                        .sorted()
                        .toList();
        if (!saved.equals(found)) {
            throw new UnsupportedException(
                    "the new QEMU has other memory than the checkpoint: expected %s bytes, found %s; undo a --arg that changes -m or -object memory-backend"
                            .formatted(saved, found));
        }
    }

    private void fill(MemoryBlock block, RamRegion region) throws VmckptException {
        try (NewMemory memory = NewMemory.open(pid, region)) {
            memory.clear();
            if (!block.layers().isEmpty()) {
                try (LayeredReader reader = store.openLayers(block.layers())) {
                    ParallelRead.of(
                            reader,
                            (units, count, data) ->
                                    write(memory, region, reader, units, count, data));
                }
            }
        } catch (IOException e) {
            throw failure(region, e);
        }
    }

    private static StorageException failure(RamRegion region, IOException cause) {
        return new StorageException(
                "restore cannot write guest memory %s (%s): check that the host has %d bytes of free memory"
                        .formatted(region.id(), cause.getMessage(), region.sizeBytes()),
                cause);
    }

    /** Neighbouring units go out in one call. */
    private void write(
            NewMemory memory,
            RamRegion region,
            LayeredReader reader,
            long[] units,
            int count,
            ByteBuffer data)
            throws VmckptException {
        int unitSizeBytes = reader.unitSizeBytes();
        int start = data.position();
        int first = 0;
        while (first < count) {
            int end = first + 1;
            while (end < count && units[end] == units[end - 1] + 1) {
                end++;
            }
            ByteBuffer run =
                    data.slice(start + first * unitSizeBytes, (end - first) * unitSizeBytes);
            try {
                memory.write(run, units[first] * unitSizeBytes);
            } catch (IOException e) {
                throw failure(region, e);
            }
            first = end;
        }
        long done = writtenBytes.addAndGet((long) count * unitSizeBytes);
        progress.update(PHASE, done, totalBytes, "bytes");
    }
}
