package org.vmckpt.cow.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/**
 * This host's huge pages of one size (hugetlbpage.rst of the kernel).
 *
 * @param reserved in no file yet, but promised to a mapping
 * @param overcommit how many more the kernel may make of free memory when somebody needs them
 * @param surplus how many of those there are
 */
public record HugePagePool(
        long pageBytes, long total, long free, long reserved, long overcommit, long surplus) {
    private static final Path FOLDER = Path.of("/sys/kernel/mm/hugepages");
    private static final Path MEMORY_INFO = Path.of("/proc/meminfo");

    /** Of a size that this host does not have the pool is empty. */
    public static HugePagePool of(long pageBytes) throws VmckptException {
        Path folder = folder(pageBytes);
        if (!Files.isDirectory(folder)) {
            return new HugePagePool(pageBytes, 0, 0, 0, 0, 0);
        }
        return new HugePagePool(
                pageBytes,
                read(folder.resolve("nr_hugepages")),
                read(folder.resolve("free_hugepages")),
                read(folder.resolve("resv_hugepages")),
                read(folder.resolve("nr_overcommit_hugepages")),
                read(folder.resolve("surplus_hugepages")));
    }

    private static Path folder(long pageBytes) {
        return FOLDER.resolve("hugepages-%dkB".formatted(pageBytes >> 10));
    }

    private static long read(Path file) throws StorageException {
        try {
            return Long.parseLong(Files.readString(file).strip());
        } catch (IOException e) {
            throw new StorageException("reading " + file + ": " + e.getMessage(), e);
        }
    }

    /** The size that is meant where none is given. */
    public static long defaultPageBytes() throws StorageException {
        try {
            for (String line : Files.readAllLines(MEMORY_INFO)) {
                if (line.startsWith("Hugepagesize:")) {
                    return Long.parseLong(line.replaceAll("\\D", "")) << 10;
                }
            }
            throw new IOException("it has no Hugepagesize");
        } catch (IOException e) {
            throw new StorageException("reading " + MEMORY_INFO + ": " + e.getMessage(), e);
        }
    }

    /** How many a new guest can have. */
    public long available() {
        return Math.max(0, free - reserved) + Math.max(0, overcommit - surplus);
    }

    /** What makes more of them. */
    public String commandForMore(long count) {
        return "echo %d > %s"
                .formatted(total - surplus + count, folder(pageBytes).resolve("nr_hugepages"));
    }
}
