package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Optional;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockStatus;
import org.vmckpt.cow.block.StorageFile;
import org.vmckpt.cow.disk.Extent.Kind;
import org.vmckpt.cow.qcow2.DamagedImageException;
import org.vmckpt.cow.qcow2.Qcow2Header;
import org.vmckpt.cow.qcow2.Qcow2Image;

/** A qcow2 file alone. */
final class Qcow2Reader implements FrozenFileReader {
    private final ImageFile file;
    private final Qcow2Image image;

    private Qcow2Reader(ImageFile file, Qcow2Image image) {
        this.file = file;
        this.image = image;
    }

    static Qcow2Reader over(ImageFile file) throws VmckptException {
        return over(file, file.storage());
    }

    /** Reads {@code view}, a view of the same file, instead of the file. */
    static Qcow2Reader over(ImageFile file, StorageFile view) throws VmckptException {
        return new Qcow2Reader(
                file, Qcow2Image.openReadOnly(view, file.path().toString(), Optional.empty()));
    }

    Qcow2Header header() {
        return image.header();
    }

    @Override
    public long virtualSizeBytes() {
        return image.size();
    }

    @Override
    public Extent extentAt(long offset, long limit) throws VmckptException {
        try {
            Kind kind = kindOf(image.layerStatus(offset));
            return new Extent(kind, offset, image.layerExtentEnd(offset, limit) - offset);
        } catch (IOException e) {
            throw explain(e);
        }
    }

    private static Kind kindOf(BlockStatus status) {
        return switch (status) {
            case HOLE -> Kind.ABSENT;
            case ZERO -> Kind.ZERO;
            case DATA -> Kind.DATA;
        };
    }

    @Override
    public void read(long offset, ByteBuffer target) throws VmckptException {
        try {
            image.read(target, offset);
        } catch (IOException e) {
            throw explain(e);
        }
    }

    @Override
    public void close() {
        file.close();
    }

    private VmckptException explain(IOException e) {
        return DamagedImageException.explain("reading qcow2 file", file.path().toString(), e);
    }
}
