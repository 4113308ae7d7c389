package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.qcow2.NewImage;
import org.vmckpt.cow.qcow2.NewImage.BackingName;
import org.vmckpt.cow.volume.VolumeDescription.LayerFile;

/**
 * A layer that was made beforehand for the next fork.
 *
 * @param description lists it
 * @param json the same, written beside the description that counts
 */
record NextLayer(LayerFile file, Layer layer, VolumeDescription description, Path json) {

    /** Makes an empty file over the active layer. */
    static NextLayer make(
            VolumeFolder folder, LayerFiles files, Volume volume, VolumeDescription description)
            throws VmckptException {
        try {
            LayerFile file = folder.newLayer(description);
            Layer active = volume.layers().getLast();
            BackingName below =
                    new BackingName(description.active().file(), description.active().format());
            int clusterBits = Long.numberOfTrailingZeros(active.groupBytes());
            NewLayer.create(
                    folder.file(file),
                    new NewImage(volume.size(), 3, clusterBits, false, Optional.of(below)));
            Layer layer = files.open(file, Optional.of(active.device()), true);
            VolumeDescription next = description.withLayer(file);
            return new NextLayer(file, layer, next, folder.stage(next));
        } catch (IOException e) {
            throw new StorageException("preparing a fork of volume " + folder.path() + ": " + e, e);
        }
    }

    /** The same layer, when the volume has other layers now than when it was made. */
    NextLayer listedAfter(VolumeFolder folder, VolumeDescription now) throws VmckptException {
        try {
            VolumeDescription next = now.withLayer(file);
            return new NextLayer(file, layer, next, folder.stage(next));
        } catch (IOException e) {
            throw new StorageException("changing volume " + folder.path() + ": " + e, e);
        }
    }

    /** It was not used. */
    void remove(VolumeFolder folder) throws IOException, VmckptException {
        BlockDevice unused = layer.device();
        LayerFiles.imageOf(layer).replaceBacking(Optional.empty());
        unused.close();
        Files.deleteIfExists(folder.file(file));
        LoggedFile.deleteFor(folder.file(file));
        Files.deleteIfExists(json);
    }
}
