package org.vmckpt.cow.checkpoint;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest.DeviceState;
import org.vmckpt.core.Manifest.DiskState;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.SegmentKind;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.stream.DeviceStream;
import org.vmckpt.core.stream.DeviceStream.RamBlock;
import org.vmckpt.cow.disk.CopiedDisk;
import org.vmckpt.cow.disk.DiskCopier;
import org.vmckpt.cow.disk.GuestDisk;

/**
 * What a checkpoint consists of, in segments that no manifest lists yet.
 *
 * @param diskReadBytes read from disk files
 * @param storedBytes added to the store
 */
record CheckpointContent(
        DeviceState devices,
        List<MemoryBlock> memory,
        List<DiskState> disks,
        long diskReadBytes,
        long storedBytes) {
    private static final int STREAM_PAGE_BYTES = 4096;

    /** Stores what the engine captured, and the frozen files of the disks. */
    static CheckpointContent store(
            CaptureEngine engine,
            List<GuestDisk> disks,
            Store store,
            ProgressListener progress,
            Cancellation cancellation)
            throws VmckptException {
        byte[] deviceStream = engine.deviceStream();
        List<MemoryBlock> memory = engine.finishMemory();
        requireAllMemory(DeviceStream.parse(deviceStream), memory);
        DeviceState devices =
                new DeviceState(
                        store.putBytes(SegmentKind.DEVICE, deviceStream), deviceStream.length);
        long bytes = engine.storedBytes();
        long readBytes = 0;
        List<DiskState> states = new ArrayList<>();
        DiskCopier copier = new DiskCopier(store);
        for (GuestDisk disk : disks) {
            CopiedDisk copied = copy(copier, disk, progress, cancellation);
            readBytes += copied.readBytes();
            bytes += copied.storedBytes();
            states.add(
                    new DiskState(
                            disk.device(),
                            disk.active().nodeName(),
                            disk.argument(),
                            disk.format(),
                            disk.virtualSizeBytes(),
                            copied.layers()));
        }
        return new CheckpointContent(devices, memory, states, readBytes, bytes);
    }

    private static CopiedDisk copy(
            DiskCopier copier, GuestDisk disk, ProgressListener progress, Cancellation cancellation)
            throws VmckptException {
        try {
            return copier.copy(disk, cancellation.guarding(progress));
        } catch (CancellationException e) {
            throw Cancellation.refusal();
        }
    }

    /** Every RAM block is either one that we captured or whole in the stream: nothing is lost. */
    private static void requireAllMemory(DeviceStream stream, List<MemoryBlock> memory)
            throws VmckptException {
        for (RamBlock block : stream.ramBlocks()) {
            boolean captured =
                    memory.stream()
                            .anyMatch(saved ->
                                    saved.id().equals(block.name())
                                            && saved.sizeBytes() == block.sizeBytes());
            boolean streamed = block.pagesInStream() * STREAM_PAGE_BYTES >= block.sizeBytes();
            if (!captured && !streamed) {
                throw new UnsupportedException(
                        "checkpoint: RAM block "
                                + block.name()
                                + " of "
                                + block.sizeBytes()
                                + " bytes is shared memory but belongs to no memory backend that"
                                + " can be captured; the guest runs on");
            }
            if (captured && block.pagesInStream() > 0) {
                throw new CorruptException(
                        "checkpoint: QEMU wrote pages of "
                                + block.name()
                                + " into the device state although they are shared; take the"
                                + " checkpoint again");
            }
        }
    }
}
