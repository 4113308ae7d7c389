package org.vmckpt.cow.volume;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.qcow2.NewImage.BackingName;
import org.vmckpt.cow.qcow2.Qcow2Image;
import org.vmckpt.cow.volume.VolumeDescription.LayerFile;

/**
 * Folds one frozen layer into its parent while the guest writes to the active one (rule R7).
 *
 * <p>At every instant the chain reads the same: what is being written into the parent, the layer
 * above still says itself. So a crash needs no repair, and the next commit goes on where this one
 * was ({@link CommitProgress}). The steps of one fold:
 *
 * <ol>
 *   <li>wait until no request uses the layer, copy all that it says into its parent, sync that
 *   <li>the layer above names the parent as what it lies on, and reads it; durable
 *   <li>the description lists the layer as folded; durable
 *   <li>once all requests have ended that may still read it: close the file and delete it
 * </ol>
 *
 * <p>A hold protects the held layer and all below it, as files: neither is written nor deleted.
 */
final class Commit {
    private static final long REST_MILLIS = 60_000;

    private final VolumeFolder folder;
    private final LayerFiles files;
    private final Volume volume;
    private final LayerFile file;
    private final LayerFile parentFile;
    private final VolumeDescription description;
    private final int number;
    private final Layer layer;

    /** Forks add layers above meanwhile; those below stay what they are. */
    Commit(
            VolumeFolder folder,
            LayerFiles files,
            Volume volume,
            VolumeDescription description,
            int number) {
        this.folder = folder;
        this.files = files;
        this.volume = volume;
        this.description = description;
        this.number = number;
        this.file = description.layers().get(number);
        this.parentFile = description.layers().get(number - 1);
        this.layer = volume.layers().get(number);
    }

    /**
     * The number of the layer that can be folded next: the oldest frozen one that lies on a layer
     * of ours, if neither is held.
     */
    static Optional<Integer> next(VolumeDescription description, Map<String, Set<String>> holds) {
        List<LayerFile> layers = description.layers();
        int lowestFree = 0;
        for (int i = 0; i < layers.size(); i++) {
            if (!layers.get(i).isOurs() || holds.containsKey(layers.get(i).file())) {
                lowestFree = i + 1;
            }
        }
        int layer = lowestFree + 1;
        return layer < layers.size() - 1 ? Optional.of(layer) : Optional.empty();
    }

    LayerFile layerFile() {
        return file;
    }

    Layer layer() {
        return layer;
    }

    LayerFile parentFile() {
        return parentFile;
    }

    /** The first step. Returns false if it was told to end. */
    boolean copy(Throttle throttle) throws VmckptException {
        try {
            awaitRest(layer);
            awaitRest(volume.layers().get(number - 1));
            BlockDevice parent = writable(number - 1);
            // Its header is to name another parent.
            writable(number + 1);
            files.beginWriting(parentFile);
            try {
                Qcow2Image image = LayerFiles.imageOf(layer);
                CommitProgress start = CommitProgress.read(folder, file, parentFile);
                new RecordedCopy(folder, start, image, parent, throttle).run();
            } finally {
                files.endWriting(parentFile);
            }
            return true;
        } catch (InterruptedIOException e) {
            return false;
        } catch (IOException e) {
            throw failed(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private void awaitRest(Layer frozen) throws InterruptedException, StorageException {
        if (!volume.ledger().awaitUnused(frozen, REST_MILLIS)) {
            throw new StorageException(
                    "committing "
                            + folder.file(file)
                            + ": requests that are older than a fork do not end; try again when the"
                            + " disk below answers");
        }
    }

    /** The second step. */
    void bypass() throws VmckptException {
        try {
            Qcow2Image above = LayerFiles.imageOf(volume.layers().get(number + 1));
            BlockDevice parent = volume.layers().get(number - 1).device();
            LayerFile aboveFile = description.layers().get(number + 1);
            files.beginWriting(aboveFile);
            try {
                above.setBacking(
                        new BackingName(parentFile.file(), parentFile.format()),
                        Optional.of(parent));
            } finally {
                files.endWriting(aboveFile);
            }
        } catch (IOException e) {
            throw failed(e);
        }
    }

    /** The fourth step. */
    void retire() throws VmckptException {
        try {
            CommitProgress.delete(folder);
            closeAlone(layer);
            Files.deleteIfExists(folder.file(file));
            LoggedFile.deleteFor(folder.file(file));
        } catch (IOException e) {
            throw failed(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw failed(e);
        }
    }

    /** Closes a layer's file, and not those below, when nobody can be reading it any more. */
    private void closeAlone(Layer retired)
            throws IOException, InterruptedException, VmckptException {
        volume.ledger().awaitThoseOfNow();
        LayerFiles.imageOf(retired).replaceBacking(Optional.empty());
        retired.device().close();
    }

    /** Some frozen layer; after a restart it is open for reading only. */
    private BlockDevice writable(int frozen)
            throws VmckptException, IOException, InterruptedException {
        Layer found = volume.layers().get(frozen);
        Qcow2Image image = LayerFiles.imageOf(found);
        if (image.isWritable()) {
            return image;
        }
        LayerFile opening = description.layers().get(frozen);
        Layer opened = files.open(opening, image.backing(), true);
        files.rest(opening);
        LayerFiles.imageOf(volume.layers().get(frozen + 1))
                .replaceBacking(Optional.of(opened.device()));
        volume.replace(found, opened);
        closeAlone(found);
        return opened.device();
    }

    private StorageException failed(Exception e) {
        return new StorageException("committing " + folder.file(file) + ": " + e, e);
    }
}
