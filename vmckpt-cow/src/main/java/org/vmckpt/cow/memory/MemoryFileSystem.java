package org.vmckpt.cow.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Where a memory file lives. */
enum MemoryFileSystem {
    TMPFS,
    HUGETLBFS,
    OTHER;

    private static final String MEMFD_PREFIX = "/memfd:";
    private static final String SHARED_ANONYMOUS = "/dev/zero (deleted)";

    /**
     * Of a mapping, by its map_files entry and its name in /proc/PID/maps.
     *
     * <p>Huge pages of hugetlbfs are told apart by the file system's type: a memfd may be of
     * either.
     */
    static MemoryFileSystem of(Path mapFile, String name) {
        try {
            return switch (Files.getFileStore(mapFile).type()) {
                case "hugetlbfs" -> HUGETLBFS;
                case "tmpfs", "shmem" -> TMPFS;
                default -> ofName(name);
            };
        } catch (IOException | RuntimeException noMountEntry) {
            // The kernel's own tmpfs, which holds memfds, is in no mount table.
            return ofName(name);
        }
    }

    private static MemoryFileSystem ofName(String name) {
        if (name.startsWith("/anon_hugepage")) {
            return HUGETLBFS;
        }
        boolean anonymous = name.startsWith(MEMFD_PREFIX) || name.equals(SHARED_ANONYMOUS);
        return anonymous ? TMPFS : OTHER;
    }
}
