package org.vmckpt.cow.memory;

import java.nio.file.Path;

/**
 * One memory backend of a guest, as its QEMU maps it.
 *
 * @param id the backend's id, for example {@code mem0}; also the name of its RAM block
 * @param hostAddress where it lies in QEMU's address space
 * @param sizeBytes a multiple of the page size
 * @param pageSizeBytes the unit in which it is stored
 * @param protectionBytes the unit in which it can be protected: a huge page where it is made of
 *     those
 * @param mapFile a path under /proc by which its file can be opened while QEMU lives
 * @param fileOffset where in that file the region starts, in bytes
 */
public record RamRegion(
        String id,
        long hostAddress,
        long sizeBytes,
        int pageSizeBytes,
        int protectionBytes,
        Path mapFile,
        long fileOffset) {
    public RamRegion {
        if (sizeBytes <= 0
                || sizeBytes % protectionBytes != 0
                || hostAddress % protectionBytes != 0) {
            throw new IllegalArgumentException("Region " + id + " is not made of whole pages");
        }
    }

    /** Whether it is in huge pages of hugetlbfs. */
    public boolean isHuge() {
        return protectionBytes > pageSizeBytes;
    }

    public long pageCount() {
        return sizeBytes / pageSizeBytes;
    }
}
