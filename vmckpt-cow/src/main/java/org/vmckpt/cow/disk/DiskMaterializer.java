package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Set;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.LayeredReader;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.store.UnitState;

/** Writes a stored disk into one sparse raw file that nobody may write afterwards. */
public final class DiskMaterializer {
    private static final String WHILE_WRITING = "rw-------";
    private static final String WHEN_DONE = "r--------";

    private final long sizeBytes;
    private final FileChannel file;
    private final String phase;
    private final long totalBytes;
    private final ProgressListener progress;
    private long writtenBytes;

    private DiskMaterializer(
            long sizeBytes,
            FileChannel file,
            String phase,
            long totalBytes,
            ProgressListener progress) {
        this.sizeBytes = sizeBytes;
        this.file = file;
        this.phase = phase;
        this.totalBytes = totalBytes;
        this.progress = progress;
    }

    /**
     * Writes the layers of a disk into {@code target}, mode 0400, durably. Zeros become holes.
     *
     * @param layers oldest first
     * @param target must not exist; is deleted again when this fails
     * @return how many bytes were written
     */
    public static long materialize(
            Store store,
            List<SegmentName> layers,
            long sizeBytes,
            Path target,
            ProgressListener progress)
            throws VmckptException {
        boolean done = false;
        try (FileChannel file = create(target)) {
            try {
                long written = write(store, layers, sizeBytes, target, file, progress);
                seal(target, file);
                done = true;
                return written;
            } finally {
                if (!done) {
                    Files.deleteIfExists(target);
                }
            }
        } catch (FileAlreadyExistsException e) {
            throw new ConflictException(
                    "restoring a disk to " + target + ": the file exists; give another folder", e);
        } catch (IOException e) {
            throw new StorageException("restoring a disk to " + target + ": " + e, e);
        }
    }

    private static FileChannel create(Path target) throws IOException {
        return FileChannel.open(
                target,
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                PosixFilePermissions.asFileAttribute(
                        PosixFilePermissions.fromString(WHILE_WRITING)));
    }

    private static long write(
            Store store,
            List<SegmentName> layers,
            long sizeBytes,
            Path target,
            FileChannel file,
            ProgressListener progress)
            throws VmckptException, IOException {
        setLength(file, sizeBytes);
        if (layers.isEmpty()) {
            return 0;
        }
        try (LayeredReader reader = store.openLayers(layers)) {
            String phase = "restore disk " + target.getFileName();
            DiskMaterializer materializer =
                    new DiskMaterializer(sizeBytes, file, phase, dataBytes(reader), progress);
            reader.forEachBlock((units, count, data) ->
                    materializer.writeBlock(units, count, data, reader.unitSizeBytes()));
            return materializer.writtenBytes;
        }
    }

    private void writeBlock(long[] units, int count, ByteBuffer data, int unitSize)
            throws StorageException {
        int start = data.position();
        int first = 0;
        while (first < count) {
            int end = first + 1;
            while (end < count && units[end] == units[end - 1] + 1) {
                end++;
            }
            writeRun(
                    units[first] * unitSize,
                    data.slice(start + first * unitSize, (end - first) * unitSize));
            first = end;
        }
        progress.update(phase, writtenBytes, totalBytes, "bytes");
    }

    /** A parent may have been longer than the disk is now: what lies past its end is dropped. */
    private void writeRun(long offset, ByteBuffer data) throws StorageException {
        long room = Math.max(0, sizeBytes - offset);
        data.limit((int) Math.min(data.limit(), room));
        writtenBytes += data.remaining();
        long position = offset;
        try {
            while (data.hasRemaining()) {
                position += file.write(data, position);
            }
        } catch (IOException e) {
            throw new StorageException(phase + ": writing at " + position + ": " + e, e);
        }
    }

    private static long dataBytes(LayeredReader reader) {
        long units = 0;
        for (long unit = 0; unit < reader.unitCount(); unit++) {
            if (reader.state(unit) == UnitState.DATA) {
                units++;
            }
        }
        return units * reader.unitSizeBytes();
    }

    /** A zero as the last byte; blocks may overwrite it. */
    private static void setLength(FileChannel file, long sizeBytes) throws IOException {
        if (sizeBytes > 0) {
            file.write(ByteBuffer.allocate(1), sizeBytes - 1);
        }
    }

    private static void seal(Path target, FileChannel file) throws IOException, StorageException {
        Files.setPosixFilePermissions(target, PosixFilePermissions.fromString(WHEN_DONE));
        file.force(true);
        FileSync.folderOf(target);
    }
}
