package org.vmckpt.testvm;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Stream;

/** Finds the workload's blocks in a file, to change them behind the guest's back. */
final class BlockFinder {
    static final int BLOCK_BYTES = 4096;
    static final int KIND_MEMORY = 1;
    static final int KIND_DISK = 16;

    private BlockFinder() {}

    /** The memfd of a running QEMU, which vmckpt also finds under {@code /proc}. */
    static Path memoryOf(long pid) throws IOException {
        try (Stream<Path> links = Files.list(Path.of("/proc/%d/fd".formatted(pid)))) {
            List<Path> memory = links.filter(BlockFinder::isMemfd).toList();
            if (memory.size() != 1) {
                throw new IllegalStateException("not one memfd but " + memory);
            }
            return memory.getFirst();
        }
    }

    private static boolean isMemfd(Path link) {
        try {
            return Files.readSymbolicLink(link).toString().startsWith("/memfd:memory-backend");
        } catch (NoSuchFileException e) {
            return false; // closed meanwhile
        } catch (IOException e) {
            throw new IllegalStateException("cannot read " + link, e);
        }
    }

    /** Where a block of this kind and number begins, if the file has it with a sequence above 0. */
    static OptionalLong find(Path file, int kind, long number) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            ByteBuffer head = ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN);
            for (long at = 0; at < channel.size(); at += BLOCK_BYTES) {
                channel.read(head.clear(), at);
                if (head.getLong(0) > 0
                        && head.getLong(0) < 1L << 32
                        && head.getLong(8) == number
                        && head.getLong(16) == kind) {
                    return OptionalLong.of(at);
                }
            }
            return OptionalLong.empty();
        }
    }

    static ByteBuffer read(Path file, long at) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            ByteBuffer block = ByteBuffer.allocate(BLOCK_BYTES);
            while (block.hasRemaining() && channel.read(block, at + block.position()) > 0) {}
            return block.flip();
        }
    }

    static void write(Path file, long at, ByteBuffer block) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(block.rewind(), at);
            if (Files.isRegularFile(file)) {
                channel.force(true);
            }
        }
    }

    /** Flips one bit in the middle of a block. */
    static void damage(Path file, long at) throws IOException {
        ByteBuffer block = read(file, at);
        block.put(2000, (byte) (block.get(2000) ^ 4));
        write(file, at, block);
    }
}
