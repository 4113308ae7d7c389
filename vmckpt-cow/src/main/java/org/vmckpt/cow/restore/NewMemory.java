package org.vmckpt.cow.restore;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.vmckpt.cow.linux.GuestFile;
import org.vmckpt.cow.memory.RamRegion;

/**
 * A region of the new QEMU's memory, to be filled from outside; by any number of threads.
 *
 * <p>A file on tmpfs is written. A file in huge pages cannot be (write(2) says EINVAL), so those
 * are written through QEMU's own mapping, by way of {@code /proc/PID/mem}. A mapping of ours would
 * do as well, but when the host runs out of huge pages a store there is a SIGBUS for us, and this
 * is an error.
 */
final class NewMemory implements AutoCloseable {
    private static final int CHUNK_BYTES = 1 << 20;

    private final RamRegion region;
    private final GuestFile file;
    private final GuestFile written;
    private final long writtenOffset;

    private NewMemory(RamRegion region, GuestFile file, GuestFile written, long writtenOffset) {
        this.region = region;
        this.file = file;
        this.written = written;
        this.writtenOffset = writtenOffset;
    }

    /** Opens a region of the QEMU {@code pid}. */
    static NewMemory open(long pid, RamRegion region) throws IOException {
        if (!region.isHuge()) {
            GuestFile file = GuestFile.openForWriting(region.mapFile());
            return new NewMemory(region, file, file, region.fileOffset());
        }
        GuestFile file = GuestFile.openForReading(region.mapFile());
        try {
            Path memory = Path.of("/proc/" + pid + "/mem");
            return new NewMemory(
                    region, file, GuestFile.openForWriting(memory), region.hostAddress());
        } catch (IOException e) {
            file.close();
            throw e;
        }
    }

    /** Writes all of {@code data} at an offset of the region. */
    void write(ByteBuffer data, long offset) throws IOException {
        written.pwrite(data, writtenOffset + offset);
    }

    /**
     * Firmware or preallocation may have touched the new memory: what is not zero becomes 0. Holes
     * stay holes. A file of huge pages does not tell where its holes are; they are read as zeros.
     */
    void clear() throws IOException {
        ByteBuffer zeros = ByteBuffer.allocateDirect(CHUNK_BYTES);
        ByteBuffer found = ByteBuffer.allocateDirect(CHUNK_BYTES);
        long start = region.fileOffset();
        long end = start + region.sizeBytes();
        long data = file.nextData(start);
        while (data >= 0 && data < end) {
            long hole = Math.min(end, file.nextHole(data));
            while (data < hole) {
                int count = (int) Math.min(CHUNK_BYTES, hole - data);
                file.pread(found.clear().limit(count), data);
                if (found.flip().mismatch(zeros.clear().limit(count)) >= 0) {
                    write(zeros, data - start);
                }
                data += count;
            }
            data = file.nextData(hole);
        }
    }

    @Override
    public void close() {
        written.close();
        file.close();
    }
}
