package org.vmckpt.cow.memory;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.GuestFile;
import org.vmckpt.cow.linux.ProgramSymbols;

/**
 * QEMU's own list of its RAM blocks, read from its address space, for versions that do not tell
 * where a block lies: {@code ram_list} in QEMU's softmmu/physmem.c, a symbol that a QEMU with
 * modules gives away. Layout of {@code RAMList} and {@code RAMBlock} as in QEMU 4.0 to 7.2 (their
 * include/exec/ramlist.h and ramblock.h), on x86-64.
 *
 * <p>Nothing that is found here is believed: name, offset and sizes of each block must be what
 * {@code info ramblock} says, and the address must be mapped.
 */
final class RamBlockList {
    private static final String SYMBOL = "ram_list";

    /** Of RAMList, behind its mutex and the block that was used last. */
    private static final int FIRST = 56;

    /** Of RAMBlock, behind {@code rcu} and {@code mr}. */
    private static final int HOST = 24;

    private static final int OFFSET = 40;
    private static final int USED = 48;
    private static final int TOTAL = 56;
    private static final int NAME = 76;
    private static final int NAME_BYTES = 256;
    private static final int NEXT = 336;
    private static final int BLOCK_BYTES = NEXT + Long.BYTES;
    private static final int MOST_BLOCKS = 4096;

    private static final Logger LOG = LoggerFactory.getLogger(RamBlockList.class);

    private final Path memory;
    private final long list;

    private RamBlockList(Path memory, long list) {
        this.memory = memory;
        this.list = list;
    }

    /** What identifies a block; both sizes in bytes. */
    record Identity(String name, long offset, long usedBytes, long totalBytes) {}

    /** Finds the list, if this QEMU lets it be found. */
    static Optional<RamBlockList> find(long pid) {
        try {
            OptionalLong list = ProgramSymbols.address(pid, SYMBOL);
            if (list.isPresent()) {
                Path memory = Path.of("/proc", Long.toString(pid), "mem");
                return Optional.of(new RamBlockList(memory, list.getAsLong()));
            }
        } catch (IOException e) {
            LOG.debug("looking for {} of process {}: {}", SYMBOL, pid, e.getMessage());
        }
        return Optional.empty();
    }

    /**
     * Reads where each block lies. While the guest is being changed this may fail.
     *
     * @throws ProtocolException when it is not such a list
     */
    Map<Identity, Long> hostAddresses() throws ProtocolException {
        try (GuestFile file = GuestFile.openForReading(memory)) {
            Map<Identity, Long> addresses = new HashMap<>();
            long next = read(file, list, FIRST + Long.BYTES).getLong(FIRST);
            while (next != 0) {
                ByteBuffer block = read(file, next, BLOCK_BYTES);
                Long twice = addresses.put(identity(block), block.getLong(HOST));
                if (twice != null || addresses.size() > MOST_BLOCKS) {
                    throw unexpected("each RAM block once", identity(block).toString());
                }
                next = block.getLong(NEXT);
            }
            return addresses;
        } catch (ErrnoException e) {
            throw unexpected("readable memory", e.toString());
        }
    }

    private static Identity identity(ByteBuffer block) {
        byte[] name = new byte[NAME_BYTES];
        block.get(NAME, name);
        int length = 0;
        while (length < NAME_BYTES && name[length] != 0) {
            length++;
        }
        return new Identity(
                new String(name, 0, length, StandardCharsets.ISO_8859_1),
                block.getLong(OFFSET),
                block.getLong(USED),
                block.getLong(TOTAL));
    }

    private ByteBuffer read(GuestFile file, long address, int count)
            throws ErrnoException, ProtocolException {
        ByteBuffer bytes = ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
        if (file.pread(bytes, address) != count) {
            throw unexpected("%d bytes at 0x%x".formatted(count, address), "fewer");
        }
        return bytes;
    }

    private ProtocolException unexpected(String expected, String found) {
        return new ProtocolException(
                "QEMU's list of RAM blocks in %s: expected %s, found: %s"
                        .formatted(memory, expected, found));
    }
}
