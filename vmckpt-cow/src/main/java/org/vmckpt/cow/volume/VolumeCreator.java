package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.qcow2.ImageChain.FileOpener;
import org.vmckpt.cow.qcow2.NewImage;
import org.vmckpt.cow.qcow2.NewImage.BackingName;
import org.vmckpt.cow.volume.VolumeDescription.LayerFile;

/** Makes new volumes. */
public final class VolumeCreator {
    private static final int SECTOR_BYTES = 512;

    /** The format knows more; these make sense for a disk that is copied cluster by cluster. */
    private static final int SMALLEST_CLUSTER_BITS = 12;

    private static final int LARGEST_CLUSTER_BITS = 21;

    private VolumeCreator() {}

    /**
     * Makes a volume in a new folder.
     *
     * @param base a disk file that holds the first content, which is only ever read
     * @param baseFormat {@code qcow2} or {@code raw}, if it is known
     * @param sizeBytes as large as the base if it is not given
     */
    public static VolumeFolder create(
            Path folder,
            Optional<Path> base,
            Optional<String> baseFormat,
            OptionalLong sizeBytes,
            long clusterBytes)
            throws VmckptException {
        String name = String.valueOf(folder.toAbsolutePath().normalize().getFileName());
        check(name, sizeBytes, clusterBytes);
        List<LayerFile> layers = new ArrayList<>();
        if (base.isPresent()) {
            layers.add(baseLayer(base.get(), baseFormat));
        }
        VolumeFolder made = VolumeFolder.make(folder);
        boolean done = false;
        try {
            long size = sizeBytes.isPresent() ? sizeBytes.getAsLong() : sizeOf(made, layers);
            Optional<BackingName> below =
                    layers.stream().findFirst().map(it -> new BackingName(it.file(), it.format()));
            LayerFile first = new LayerFile("layer-0.qcow2", "qcow2");
            int clusterBits = Long.numberOfTrailingZeros(clusterBytes);
            NewLayer.create(made.file(first), new NewImage(size, 3, clusterBits, false, below));
            layers.add(first);
            made.write(VolumeDescription.of(name, layers));
            done = true;
            return made;
        } catch (IOException | IllegalArgumentException e) {
            throw new StorageException("creating volume " + folder + ": " + e.getMessage(), e);
        } finally {
            if (!done) {
                remove(folder);
            }
        }
    }

    private static void check(String name, OptionalLong sizeBytes, long clusterBytes)
            throws RefusedException {
        int clusterBits = Long.numberOfTrailingZeros(clusterBytes);
        if (!VolumeFolder.isName(name)) {
            throw new RefusedException(
                    "creating volume '"
                            + name
                            + "': the name may have letters, digits, '.', '_' and '-', and begins"
                            + " with a letter or digit");
        }
        if (sizeBytes.isPresent()
                && (sizeBytes.getAsLong() <= 0 || sizeBytes.getAsLong() % SECTOR_BYTES != 0)) {
            throw new RefusedException(
                    "creating volume " + name + ": its size must be a multiple of 512 bytes");
        }
        if (Long.bitCount(clusterBytes) != 1
                || clusterBits < SMALLEST_CLUSTER_BITS
                || clusterBits > LARGEST_CLUSTER_BITS) {
            throw new RefusedException(
                    "creating volume "
                            + name
                            + ": the cluster size must be a power of two from 4 KiB to 2 MiB");
        }
    }

    private static LayerFile baseLayer(Path base, Optional<String> format) throws VmckptException {
        try {
            Path real = base.toRealPath();
            return new LayerFile(real.toString(), LayerFiles.formatOf(real, format));
        } catch (IOException e) {
            throw new NotFoundException("creating a volume on " + base + ": " + e, e);
        }
    }

    private static long sizeOf(VolumeFolder folder, List<LayerFile> layers)
            throws VmckptException, IOException {
        if (layers.isEmpty()) {
            throw new RefusedException(
                    "creating volume " + folder.path() + ": give a size, or a base that has one");
        }
        LayerFiles files = new LayerFiles(folder, FileOpener.PLAIN);
        try (BlockDevice base = files.open(layers.getFirst(), Optional.empty(), false).device()) {
            return base.size();
        }
    }

    private static void remove(Path folder) {
        try {
            Files.deleteIfExists(folder.resolve("layer-0.qcow2"));
            Files.deleteIfExists(folder.resolve(VolumeDescription.FILE + ".next"));
            Files.deleteIfExists(folder);
        } catch (IOException e) {
            // The error that made us come here is the one to tell.
        }
    }
}
