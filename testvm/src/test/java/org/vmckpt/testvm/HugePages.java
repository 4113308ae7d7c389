package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.memory.HugePagePool;

/** Huge pages of 2 MiB of this host, and a hugetlbfs of them, for as long as a test takes. */
final class HugePages implements AutoCloseable {
    static final int BYTES = 2 << 20;

    private static final Path RESERVED =
            Path.of("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");

    private final long before;

    private HugePages(long before) {
        this.before = before;
    }

    /** Fails, and does not skip, when the host has not that much memory in one piece. */
    static HugePages reserve(long count) throws IOException, VmckptException {
        HugePages pages = new HugePages(HugePagePool.of(BYTES).total());
        Files.writeString(RESERVED, Long.toString(pages.before + count));
        if (HugePagePool.of(BYTES).total() < pages.before + count) {
            pages.close();
            throw new AssertionError(
                    "This test needs root and %d MiB of memory that %s can make huge pages of"
                            .formatted(count * 2, RESERVED));
        }
        return pages;
    }

    @Override
    public void close() throws IOException {
        Files.writeString(RESERVED, Long.toString(before));
    }

    record Mount(Path folder) implements AutoCloseable {
        static Mount at(Path folder) throws IOException {
            Files.createDirectories(folder);
            run("mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", folder.toString());
            return new Mount(folder);
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
