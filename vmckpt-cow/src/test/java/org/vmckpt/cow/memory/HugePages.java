package org.vmckpt.cow.memory;

import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vmckpt.core.VmckptException;

/**
 * Huge pages of this host: so many more for as long as a test takes, whoever else reserves some.
 */
public final class HugePages implements AutoCloseable {
    public static final int BYTES = 2 << 20;

    /** Of all tests of this host. The kernel has no way to add to what is there. */
    private static final Path LOCK = Path.of("/run/vmckpt-test-hugepages.lock");

    private static final Path TURN = Path.of("/run/vmckpt-test-hugepages.turn");

    private final long pageBytes;
    private final long count;
    private boolean closed;

    private HugePages(long pageBytes, long count) {
        this.pageBytes = pageBytes;
        this.count = count;
    }

    /**
     * Waits until no other test class of this host uses huge pages, until the file is closed: how
     * many are free or reserved is of the whole host.
     */
    public static FileChannel awaitTurn() throws IOException {
        FileChannel turn = FileChannel.open(TURN, CREATE, WRITE);
        FileLock _ = turn.lock();
        return turn;
    }

    public static HugePages reserve(long count) throws IOException, VmckptException {
        return reserve(BYTES, count);
    }

    /** Fails, and does not skip, when the host has not that much memory in one piece. */
    public static HugePages reserve(long pageBytes, long count)
            throws IOException, VmckptException {
        long added = add(pageBytes, count);
        if (added < count) {
            add(pageBytes, -added);
            throw new AssertionError(
                    "This test needs root, and memory in one piece for %d huge pages of %d MiB"
                            .formatted(count, pageBytes >> 20));
        }
        return new HugePages(pageBytes, count);
    }

    /** How many there are more than before. */
    private static synchronized long add(long pageBytes, long count)
            throws IOException, VmckptException {
        Path number =
                Path.of(
                        "/sys/kernel/mm/hugepages/hugepages-%dkB/nr_hugepages"
                                .formatted(pageBytes >> 10));
        try (FileChannel file = FileChannel.open(LOCK, CREATE, WRITE);
                FileLock _ = file.lock()) {
            long before = reserved(pageBytes);
            Files.writeString(number, Long.toString(Math.max(0, before + count)));
            return reserved(pageBytes) - before;
        }
    }

    /** The others are made and unmade by the kernel. */
    private static long reserved(long pageBytes) throws VmckptException {
        HugePagePool pool = HugePagePool.of(pageBytes);
        return pool.total() - pool.surplus();
    }

    /** How many are in no file. */
    public static long free() throws VmckptException {
        return HugePagePool.of(BYTES).free();
    }

    /** Twice is harmless. */
    @Override
    public void close() throws IOException, VmckptException {
        if (!closed) {
            closed = true;
            add(pageBytes, -count);
        }
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
