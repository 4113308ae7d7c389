package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.qcow2.NewImage;
import org.vmckpt.cow.qcow2.NewImage.BackingName;
import org.vmckpt.cow.volume.VolumeDescription.LayerFile;

/** A layer that was made beforehand for the next fork; nothing is written to it until then. */
record NextLayer(LayerFile file, Layer layer) {
    private static final Logger LOG = LoggerFactory.getLogger(NextLayer.class);

    /**
     * Makes an empty file over the active layer, durably, and then has the description name it. If
     * a crash of the host undoes that, nothing is lost that was flushed: a flush syncs the folder.
     */
    static NextLayer make(
            VolumeFolder folder, LayerFiles files, Volume volume, DescriptionFile recorded)
            throws IOException, VmckptException {
        VolumeDescription now = recorded.written();
        LayerFile file = folder.newLayer(now);
        NewLayer.createAtOnce(folder.file(file), imageOver(volume, now.active()));
        boolean opened = false;
        try {
            Optional<BlockDevice> active = Optional.of(volume.layers().getLast().device());
            NextLayer made = new NextLayer(file, files.open(file, active, true));
            opened = true;
            made.announce(folder, recorded);
            return made;
        } finally {
            if (!opened) {
                delete(folder, file);
            }
        }
    }

    private static NewImage imageOver(Volume volume, LayerFile active) {
        int clusterBits = Long.numberOfTrailingZeros(volume.groupBytes());
        BackingName below = new BackingName(active.file(), active.format());
        return new NewImage(volume.size(), 3, clusterBits, false, Optional.of(below));
    }

    private void announce(VolumeFolder folder, DescriptionFile recorded)
            throws IOException, VmckptException {
        VolumeDescription before = recorded.written();
        VolumeDescription named = before.withNext(file);
        boolean done = false;
        try {
            recorded.put(named);
            recorded.stage(named.forked());
            done = true;
        } finally {
            if (!done) {
                remove(folder, recorded, before);
            }
        }
    }

    /**
     * It was not used. If the file cannot be written, on a full disk say, the layer stays: whoever
     * opens the volume next sees that it is unused.
     *
     * @param without what the file is to say
     */
    void remove(VolumeFolder folder, DescriptionFile recorded, VolumeDescription without)
            throws IOException, VmckptException {
        LayerFiles.imageOf(layer).replaceBacking(Optional.empty());
        layer.device().close();
        try {
            recorded.write(without);
            recorded.unstage();
            delete(folder, file);
        } catch (IOException e) {
            LOG.warn("volume {}: {} stays: {}", folder.path(), file.file(), e.toString());
        }
    }

    private static void delete(VolumeFolder folder, LayerFile file) throws IOException {
        Files.deleteIfExists(folder.file(file));
        LoggedFile.deleteFor(folder.file(file));
    }
}
