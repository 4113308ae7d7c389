package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.PlainFile;
import org.vmckpt.cow.block.RawDevice;
import org.vmckpt.cow.qcow2.Qcow2Image;

/**
 * Applies COW files to a copy of the disk that they were made on: on a second host, that has the
 * copy already and gets only what changed.
 */
public final class Replay {
    /**
     * What came of it.
     *
     * @param layers how many files were applied
     * @param copiedBytes data that they held
     * @param checksum {@link ContentChecksum} of the disk as it is now
     */
    public record Report(int layers, long copiedBytes, String checksum) {}

    private Replay() {}

    /**
     * Applies the files, oldest first; what each says itself, whatever file it names as its parent.
     * Doing it again changes nothing.
     *
     * @param target a qcow2 or raw file that nobody else uses
     * @param format of the target, if it is known
     */
    public static Report apply(Path target, Optional<String> format, List<Path> layers)
            throws VmckptException {
        String opened = LayerFiles.formatOf(target, format);
        try (BlockDevice disk = LayerFiles.openDisk(target, opened, true)) {
            long copied = 0;
            for (Path layer : layers) {
                copied += apply(layer, disk, target);
            }
            disk.flush();
            return new Report(layers.size(), copied, ContentChecksum.of(disk, target));
        } catch (IOException e) {
            throw new StorageException("replaying onto " + target + ": " + e, e);
        }
    }

    private static long apply(Path layer, BlockDevice disk, Path target) throws VmckptException {
        if (!LayerFiles.startsAsQcow2(layer)) {
            throw new UnsupportedException(
                    "replaying " + layer + ": a COW file is a qcow2 file, this is none");
        }
        try (Qcow2Image image =
                Qcow2Image.openReadOnly(
                        PlainFile.openReadOnly(layer), layer.toString(), Optional.empty())) {
            grow(disk, image.size(), target);
            return LayerExtents.copy(image, disk, Throttle.unlimited());
        } catch (IOException e) {
            throw new StorageException("replaying " + layer + " onto " + target + ": " + e, e);
        }
    }

    private static void grow(BlockDevice disk, long size, Path target)
            throws IOException, VmckptException {
        if (size <= disk.size()) {
            return;
        }
        switch (disk) {
            case RawDevice raw -> raw.resize(size);
            case Qcow2Image image -> image.resize(size);
            default ->
                    throw new UnsupportedException("replaying onto " + target + ": cannot grow it");
        }
    }
}
