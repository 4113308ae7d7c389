package org.vmckpt.cow.disk;

import java.util.List;
import java.util.Optional;

/**
 * One writable disk of a guest.
 *
 * @param name short, unique in the guest, safe as a file name
 * @param device QEMU's name of the drive, or the path of the device that uses it
 * @param layers the chain of files, oldest first; the last one is active
 * @param cache of the active file
 * @param asyncIo QEMU's {@code aio}; empty for its default, or if it cannot be known
 * @param detectZeroes QEMU's {@code detect-zeroes}: {@code off}, {@code on} or {@code unmap}
 * @param volume where it comes from when vmckpt serves it; QEMU then knows none of its files
 */
public record GuestDisk(
        String name,
        String device,
        List<DiskLayer> layers,
        CacheMode cache,
        Optional<String> asyncIo,
        String detectZeroes,
        Optional<VolumeExport> volume) {

    public GuestDisk {
        layers = List.copyOf(layers);
        if (layers.isEmpty()) {
            throw new IllegalArgumentException("disk " + name + " without a file");
        }
    }

    GuestDisk withAsyncIo(Optional<String> newAsyncIo) {
        return new GuestDisk(name, device, layers, cache, newAsyncIo, detectZeroes, volume);
    }

    GuestDisk withLayers(List<DiskLayer> others) {
        return new GuestDisk(name, device, others, cache, asyncIo, detectZeroes, volume);
    }

    /** What QEMU's arguments call it. */
    public String argument() {
        return volume.map(VolumeExport::uri).orElseGet(() -> origin().path().toString());
    }

    public String format() {
        return volume.isPresent() ? VolumeExport.FORMAT : origin().format();
    }

    /** The file that takes the guest's writes. */
    public DiskLayer active() {
        return layers.getLast();
    }

    /** The file that this QEMU was started with: the topmost that is not an overlay of ours. */
    public DiskLayer origin() {
        return layers.reversed().stream()
                .filter(layer -> !layer.isOurOverlay())
                .findFirst()
                .orElse(layers.getFirst());
    }

    public long virtualSizeBytes() {
        return active().virtualSizeBytes();
    }
}
