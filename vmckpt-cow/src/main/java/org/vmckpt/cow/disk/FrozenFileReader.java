package org.vmckpt.cow.disk;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/**
 * Reads one image file that nobody writes, without its parent. For one thread.
 *
 * <p>Nothing that is found in the file is trusted: what QEMU could not have written is a {@link
 * org.vmckpt.core.CorruptException}.
 */
sealed interface FrozenFileReader extends AutoCloseable permits Qcow2Reader, RawReader {

    /** Opens the file of a layer, or what one of its internal snapshots says. */
    static FrozenFileReader open(DiskLayer layer) throws VmckptException {
        if (layer.snapshot().isEmpty()) {
            return open(layer.hostPath(), layer.format());
        }
        ImageFile file = ImageFile.open(layer.hostPath());
        try {
            return Qcow2Reader.over(file, SnapshotView.of(file, layer.snapshot().get()));
        } catch (VmckptException e) {
            file.close();
            throw e;
        }
    }

    /**
     * Opens a file.
     *
     * @param format {@code qcow2}, or {@code raw} (QEMU also says {@code file})
     */
    static FrozenFileReader open(Path hostPath, String format) throws VmckptException {
        ImageFile file = ImageFile.open(hostPath);
        try {
            return switch (format) {
                case "qcow2" -> Qcow2Reader.over(file);
                case "raw", "file" -> new RawReader(file);
                default ->
                        throw new UnsupportedException(
                                "reading "
                                        + hostPath
                                        + ": format qcow2 or raw is supported, found "
                                        + format
                                        + "; convert the disk with qemu-img convert");
            };
        } catch (VmckptException e) {
            file.close();
            throw e;
        }
    }

    long virtualSizeBytes();

    /**
     * What this file says about the bytes from {@code offset} on.
     *
     * @param limit the extent ends here at the latest; at most the virtual size
     */
    Extent extentAt(long offset, long limit) throws VmckptException;

    /** Fills {@code target}; all of the range must lie in extents of data. */
    void read(long offset, ByteBuffer target) throws VmckptException;

    @Override
    void close();
}
