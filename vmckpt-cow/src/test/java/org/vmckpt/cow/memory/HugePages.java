package org.vmckpt.cow.memory;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vmckpt.core.VmckptException;

/** Huge pages of this host, reserved for a test and given back at its end. */
public final class HugePages implements AutoCloseable {
    public static final int BYTES = 2 << 20;

    private final long pageBytes;
    private final long before;

    private HugePages(long pageBytes, long before) {
        this.pageBytes = pageBytes;
        this.before = before;
    }

    public static HugePages reserve(long count) throws IOException, VmckptException {
        return reserve(BYTES, count);
    }

    /** Fails, and does not skip, when the host has not that much memory in one piece. */
    public static HugePages reserve(long pageBytes, long count)
            throws IOException, VmckptException {
        HugePages pages = new HugePages(pageBytes, HugePagePool.of(pageBytes).total());
        pages.set(pages.before + count);
        if (HugePagePool.of(pageBytes).total() < pages.before + count) {
            pages.close();
            throw new AssertionError(
                    "This test needs root, and memory in one piece for %d huge pages of %d MiB"
                            .formatted(count, pageBytes >> 20));
        }
        return pages;
    }

    /** How many are in no file. */
    public static long free() throws VmckptException {
        return HugePagePool.of(BYTES).free();
    }

    private void set(long count) throws IOException {
        Path folder = Path.of("/sys/kernel/mm/hugepages/hugepages-" + (pageBytes >> 10) + "kB");
        Files.writeString(folder.resolve("nr_hugepages"), Long.toString(count));
    }

    @Override
    public void close() throws IOException {
        set(before);
    }

    /** A hugetlbfs of pages of 2 MiB, for as long as it is not closed. */
    public static final class Mount implements AutoCloseable {
        public final Path folder;

        public Mount(Path folder) throws IOException {
            this.folder = Files.createDirectories(folder);
            run("mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", folder.toString());
        }

        /** A file of holes. */
        public Path file(String name, long sizeBytes) throws IOException {
            Path path = folder.resolve(name);
            try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
                file.setLength(sizeBytes);
            }
            return path;
        }

        private static void run(String... command) throws IOException {
            Process process = new ProcessBuilder(command).inheritIO().start();
            assertThat(process.onExit().join().exitValue()).as(String.join(" ", command)).isZero();
        }

        @Override
        public void close() throws IOException {
            run("umount", "--lazy", folder.toString());
        }
    }
}
