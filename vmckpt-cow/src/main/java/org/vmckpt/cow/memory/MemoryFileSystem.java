package org.vmckpt.cow.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vmckpt.cow.linux.GuestFile;

/** Where a memory file lives. */
enum MemoryFileSystem {
    TMPFS,
    HUGETLBFS,
    OTHER;

    private static final String DEVICE = "unix:dev";
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
                default -> ofName(mapFile, name);
            };
        } catch (IOException | RuntimeException noMountEntry) {
            // The kernel's own tmpfs, which holds memfds, is in no mount table.
            return ofName(mapFile, name);
        }
    }

    private static MemoryFileSystem ofName(Path mapFile, String name) {
        if (name.startsWith("/anon_hugepage")
                || (name.startsWith(MEMFD_PREFIX) && isForeignMemfd(mapFile))) {
            return HUGETLBFS;
        }
        boolean anonymous = name.startsWith(MEMFD_PREFIX) || name.equals(SHARED_ANONYMOUS);
        return anonymous ? TMPFS : OTHER;
    }

    /** Whether a memfd lies elsewhere than a plain one of our own: then it is of huge pages. */
    private static boolean isForeignMemfd(Path mapFile) {
        try (GuestFile plain = GuestFile.createInMemory("vmckpt-plain", 0)) {
            return !Files.getAttribute(plain.procPath(), DEVICE)
                    .equals(Files.getAttribute(mapFile, DEVICE));
        } catch (IOException unreadable) {
            // Whoever opens it next says why.
            return false;
        }
    }
}
