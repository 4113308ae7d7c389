package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.PlainFile;
import org.vmckpt.cow.block.StorageFile;
import org.vmckpt.cow.qcow2.ImageChain;
import org.vmckpt.cow.qcow2.ImageChain.FileOpener;
import org.vmckpt.cow.qcow2.Qcow2Header;
import org.vmckpt.cow.qcow2.Qcow2Image;
import org.vmckpt.cow.volume.VolumeDescription.LayerFile;

/** Opens the files of layers as disks. A disk that is closed closes those below it. */
final class LayerFiles {
    private static final int QCOW2_MAGIC = 0x514649fb;

    private static final long RAW_GROUP_BYTES = 64 << 10;

    private final VolumeFolder folder;
    private final LockedFiles opener;

    LayerFiles(VolumeFolder folder, FileOpener opener) {
        this.folder = folder;
        this.opener = new LockedFiles(opener);
    }

    /** All layers, oldest first; the last can be written if that is wanted. */
    List<Layer> openAll(VolumeDescription description, boolean writable) throws VmckptException {
        List<Layer> layers = new ArrayList<>();
        try {
            for (LayerFile file : description.layers()) {
                boolean active = file.equals(description.active());
                Optional<BlockDevice> below =
                        layers.isEmpty()
                                ? Optional.empty()
                                : Optional.of(layers.getLast().device());
                layers.add(open(file, below, writable && active));
            }
            return layers;
        } catch (VmckptException e) {
            if (!layers.isEmpty()) {
                closeAfter(layers.getLast().device(), e);
            }
            throw e;
        }
    }

    /** One layer on those below. */
    Layer open(LayerFile file, Optional<BlockDevice> below, boolean writable)
            throws VmckptException {
        Path path = folder.file(file);
        if (!file.isOurs()) {
            BlockDevice disk = ImageChain.open(path, file.format(), false, opener);
            return disk instanceof Qcow2Image image
                    ? layerOf(image)
                    : new Layer(disk, RAW_GROUP_BYTES);
        }
        return layerOf(openQcow2(path, below, writable));
    }

    private Qcow2Image openQcow2(Path path, Optional<BlockDevice> below, boolean writable)
            throws VmckptException {
        return writable ? openWritable(path, below) : openReadOnly(path, below);
    }

    private Qcow2Image openReadOnly(Path path, Optional<BlockDevice> below) throws VmckptException {
        StorageFile file = opener.open(path, false);
        try {
            return Qcow2Image.openReadOnly(file, path.toString(), below);
        } catch (VmckptException e) {
            closeAfter(file, e);
            throw e;
        }
    }

    private Qcow2Image openWritable(Path path, Optional<BlockDevice> below) throws VmckptException {
        LoggedFile file = LoggedFile.of(opener.open(path, true), path);
        try {
            return Qcow2Image.open(file, path.toString(), below, file.entryLog(path));
        } catch (IOException e) {
            closeAfter(file, e);
            throw new StorageException("opening disk file " + path + ": " + e, e);
        } catch (VmckptException e) {
            closeAfter(file, e);
            throw e;
        }
    }

    /** A layer that is open is about to be changed, though no guest writes it. */
    void beginWriting(LayerFile file) throws VmckptException {
        opener.beginWriting(folder.file(file));
    }

    void endWriting(LayerFile file) throws VmckptException {
        opener.endWriting(folder.file(file));
    }

    /** A frozen layer is at rest: others may read its file from now on. */
    void rest(LayerFile file) throws VmckptException {
        opener.rest(folder.file(file));
    }

    /** Puts what a killed process left in a layer's log into its file. */
    void recover(LayerFile file) throws VmckptException {
        Path path = folder.file(file);
        if (file.isOurs() && LoggedFile.existsFor(path)) {
            // What lies below does not matter for that.
            try (Qcow2Image image = openWritable(path, Optional.empty())) {
                image.flush();
            } catch (IOException e) {
                throw new StorageException("recovering " + path + ": " + e, e);
            }
        }
    }

    private static Layer layerOf(Qcow2Image image) {
        return new Layer(image, image.header().clusterSizeBytes());
    }

    static Qcow2Header headerOf(Path path) throws VmckptException {
        try (StorageFile file = PlainFile.openReadOnly(path)) {
            return Qcow2Header.read(file, path.toString());
        } catch (IOException e) {
            throw new StorageException("reading " + path + ": " + e, e);
        }
    }

    /**
     * The format of a disk file: as its owner says, else by its first bytes. A guest can write
     * those of a raw file; so one that would lead to other files has to be told.
     */
    static String formatOf(Path path, Optional<String> told) throws VmckptException {
        if (told.isPresent()) {
            return told.get();
        }
        if (!startsAsQcow2(path)) {
            return "raw";
        }
        if (headerOf(path).backingName().isPresent()) {
            throw new RefusedException(
                    "opening "
                            + path
                            + ": it looks like a qcow2 file that lies on another one, which the"
                            + " guest of a raw disk could have made it look like; say which format"
                            + " it has");
        }
        return "qcow2";
    }

    static boolean startsAsQcow2(Path path) throws VmckptException {
        try (StorageFile file = PlainFile.openReadOnly(path)) {
            ByteBuffer start = ByteBuffer.allocateDirect(Integer.BYTES);
            return file.read(start, 0) == Integer.BYTES && start.getInt(0) == QCOW2_MAGIC;
        } catch (IOException e) {
            throw new StorageException("reading " + path + ": " + e, e);
        }
    }

    /** The layer's image, which only layers of ours have. */
    static Qcow2Image imageOf(Layer layer) throws CorruptException {
        if (layer.device() instanceof Qcow2Image image) {
            return image;
        }
        throw new CorruptException("a layer that is no qcow2 file cannot be folded");
    }

    static void closeAfter(AutoCloseable opened, Exception failure) {
        try {
            opened.close();
        } catch (Exception e) {
            failure.addSuppressed(e);
        }
    }
}
