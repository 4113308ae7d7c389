package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.qcow2.ImageChain.FileOpener;
import org.vmckpt.cow.volume.VolumeDescription.LayerFile;

/**
 * What can be seen of a volume without changing it, also while it is served.
 *
 * @param layers oldest first; the last is active
 * @param servedBy the process that has it, if there is one
 */
public record VolumeInfo(
        String name,
        Path folder,
        long sizeBytes,
        List<LayerInfo> layers,
        Optional<VolumeFolder.Owner> servedBy) {

    /**
     * One layer.
     *
     * @param fileBytes the length of its file
     * @param heldBy checkpoints that need it, and those below
     */
    public record LayerInfo(Path file, String format, long fileBytes, List<String> heldBy) {}

    /** Looks at a volume. */
    public static VolumeInfo of(VolumeFolder folder) throws VmckptException {
        VolumeDescription description = folder.readSettled();
        try {
            Map<String, Set<String>> holds = folder.holds();
            List<LayerInfo> layers = new ArrayList<>();
            for (LayerFile layer : description.layers()) {
                Path file = folder.file(layer);
                layers.add(
                        new LayerInfo(
                                file,
                                layer.format(),
                                Files.size(file),
                                List.copyOf(holds.getOrDefault(layer.file(), Set.of()))));
            }
            long size = LayerFiles.headerOf(folder.file(description.active())).virtualSizeBytes();
            return new VolumeInfo(description.name(), folder.path(), size, layers, folder.owner());
        } catch (IOException e) {
            throw new StorageException("looking at volume " + folder.path() + ": " + e, e);
        }
    }

    /**
     * {@link ContentChecksum} of a volume as it was when a layer was frozen, or as it is now.
     *
     * @param layer the name of a layer's file; the active one if it is not given
     * @throws ConflictException for the active layer of a volume that is in use
     */
    public static String checksum(VolumeFolder folder, Optional<String> layer)
            throws VmckptException {
        VolumeDescription description = folder.readSettled();
        List<LayerFile> below = new ArrayList<>();
        for (LayerFile file : description.layers()) {
            below.add(file);
            if (file.file().equals(layer.orElse(description.active().file()))) {
                return checksum(folder, description, below);
            }
        }
        throw new NotFoundException(
                "volume "
                        + folder.path()
                        + " has no layer "
                        + layer.orElse("")
                        + "; see 'vmckpt"
                        + " volume show'");
    }

    private static String checksum(
            VolumeFolder folder, VolumeDescription description, List<LayerFile> below)
            throws VmckptException {
        if (below.size() == description.layers().size() && folder.owner().isPresent()) {
            throw new ConflictException(
                    "reading volume "
                            + folder.path()
                            + ": its active layer is in use; name a frozen layer");
        }
        VolumeDescription part = VolumeDescription.of(description.name(), below);
        List<Layer> layers = new LayerFiles(folder, FileOpener.PLAIN).openAll(part, false);
        try (BlockDevice disk = layers.getLast().device()) {
            return ContentChecksum.of(disk, folder.path());
        } catch (IOException e) {
            throw new StorageException("reading volume " + folder.path() + ": " + e, e);
        }
    }
}
