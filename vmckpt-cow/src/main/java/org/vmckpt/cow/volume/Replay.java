package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.RawDevice;
import org.vmckpt.cow.block.StorageFile;
import org.vmckpt.cow.qcow2.DamagedImageException;
import org.vmckpt.cow.qcow2.ImageChain;
import org.vmckpt.cow.qcow2.ImageChain.FileOpener;
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
     * Applies the files, oldest first. Doing it again changes nothing. Whether they can be read,
     * and each lies on the one before it, is found out before the target is changed; on what the
     * first of them lies, its name cannot tell.
     *
     * @param target a qcow2 or raw file that nobody else uses
     * @param format of the target, if it is known
     * @param before what the target's {@link ContentChecksum} must be, if that is known
     */
    public static Report apply(
            Path target, Optional<String> format, List<Path> layers, Optional<String> before)
            throws VmckptException {
        String opened = LayerFiles.formatOf(target, format);
        FileOpener files = new LockedFiles(FileOpener.PLAIN);
        requireChain(layers, files);
        try (BlockDevice disk = ImageChain.open(target, opened, true, files)) {
            if (before.isPresent()) {
                requireContent(target, disk, before.get());
            }
            long copied = 0;
            for (Path layer : layers) {
                copied += apply(layer, files, disk, target);
            }
            disk.flush();
            return new Report(layers.size(), copied, ContentChecksum.of(disk, target));
        } catch (IOException e) {
            throw new StorageException("replaying onto " + target + ": " + e, e);
        }
    }

    private static void requireContent(Path target, BlockDevice disk, String checksum)
            throws VmckptException {
        String found = ContentChecksum.of(disk, target);
        if (!found.equals(checksum)) {
            throw new RefusedException(
                    "replaying onto "
                            + target
                            + ": its checksum is "
                            + found
                            + ", expected "
                            + checksum
                            + "; it is no copy of the disk that the files were made on, and was"
                            + " not changed");
        }
    }

    private static void requireChain(List<Path> layers, FileOpener files) throws VmckptException {
        for (int i = 0; i < layers.size(); i++) {
            Path layer = layers.get(i);
            try (Qcow2Image image = open(layer, files)) {
                if (i > 0) {
                    requireOn(layers.get(i - 1), layer, image);
                }
                // All that leads to data: none of it may be damaged.
                LayerExtents.visit(image, 0, PieceCopy.PIECE_BYTES, (_, _, _) -> {});
            } catch (IOException e) {
                throw DamagedImageException.explain("reading COW file", layer.toString(), e);
            }
        }
    }

    private static void requireOn(Path below, Path layer, Qcow2Image image)
            throws RefusedException {
        Optional<String> parent = image.header().backingName();
        String expected = below.getFileName().toString();
        if (parent.isEmpty() || !Path.of(parent.get()).endsWith(expected)) {
            throw new RefusedException(
                    "replaying "
                            + layer
                            + ": it lies on "
                            + parent.orElse("no other file")
                            + " and follows "
                            + below
                            + "; a file is missing, or they are not given oldest first. Nothing"
                            + " was changed");
        }
    }

    private static Qcow2Image open(Path layer, FileOpener files) throws VmckptException {
        if (!LayerFiles.startsAsQcow2(layer)) {
            throw new UnsupportedException(
                    "replaying " + layer + ": a COW file is a qcow2 file, this is none");
        }
        StorageFile file = files.open(layer, false);
        try {
            return Qcow2Image.openReadOnly(file, layer.toString(), Optional.empty());
        } catch (VmckptException e) {
            LayerFiles.closeAfter(file, e);
            throw e;
        }
    }

    private static long apply(Path layer, FileOpener files, BlockDevice disk, Path target)
            throws VmckptException {
        try (Qcow2Image image = open(layer, files)) {
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
