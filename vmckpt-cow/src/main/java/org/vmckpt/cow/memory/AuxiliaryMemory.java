package org.vmckpt.cow.memory;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.stream.DeviceStream.RamBlock;
import org.vmckpt.cow.memory.RamBlockTable.Line;

/**
 * What a guest has of RAM outside its memory backends: firmware, ACPI tables, video memory. It is
 * private to QEMU, and read from its address space while the guest stands still.
 */
public final class AuxiliaryMemory {
    /** Video memory of common cards takes 16 MiB, of qxl 128 MiB. */
    private static final long LIMIT_BYTES = 256L << 20;

    /** What a device stream has room for beside the devices. */
    private static final long MOST_IN_USE_BYTES = 48L << 20;

    private final long pid;
    private final RamBlockQuery query;
    private final RamBlockTable table;
    private final List<AuxiliaryBlock> blocks;

    private AuxiliaryMemory(
            long pid, RamBlockQuery query, RamBlockTable table, List<AuxiliaryBlock> blocks) {
        this.pid = pid;
        this.query = query;
        this.table = table;
        this.blocks = blocks;
    }

    /** Whether there is a way to learn where this QEMU's RAM blocks lie. */
    public static boolean isFound(long pid, QmpClient qmp) throws VmckptException {
        return RamBlockQuery.of(pid, qmp).isPresent();
    }

    /**
     * Finds it; the guest is not disturbed.
     *
     * @param backends the memory that is captured in another way
     * @throws UnsupportedException when there is too much of it, or it is not where QEMU says
     */
    public static AuxiliaryMemory inspect(long pid, QmpClient qmp, List<RamRegion> backends)
            throws VmckptException {
        RamBlockQuery query =
                RamBlockQuery.of(pid, qmp)
                        .orElseThrow(() ->
                                new UnsupportedException(
                                        "checkpoint: nothing tells where QEMU's RAM blocks lie: use"
                                                + " the pause engine"));
        RamBlockTable table = query.read();
        for (RamRegion backend : backends) {
            requireSame(backend, table.named(backend.id()));
        }
        List<ProcessMapping> mappings = GuestMemory.mappings(pid);
        List<AuxiliaryBlock> blocks = new ArrayList<>();
        long totalBytes = 0;
        for (Line line : table.lines()) {
            if (backends.stream().noneMatch(backend -> backend.id().equals(line.name()))) {
                blocks.add(locate(line, mappings));
                totalBytes += line.usedBytes();
            }
        }
        if (totalBytes > LIMIT_BYTES) {
            throw new UnsupportedException(
                    "checkpoint: the guest has %d bytes of RAM outside its memory backends, video memory above all, and that is more than the %d that can be saved while it stands still: give its video card less memory, or use the pause engine"
                            .formatted(totalBytes, LIMIT_BYTES));
        }
        return new AuxiliaryMemory(pid, query, table, blocks);
    }

    /**
     * Looks at how much of it is not zeros. That is kept with the devices whatever the engine, so
     * too much of it is found before the guest is stopped. The guest is not disturbed.
     *
     * @param isBackend whether a RAM block is one of the guest's memory backends
     * @throws UnsupportedException when it is more than can be kept. Where nothing tells where the
     *     blocks lie this is not looked at; there the checkpoint fails after the pause
     */
    public static void requireFits(long pid, QmpClient qmp, Predicate<String> isBackend)
            throws VmckptException {
        Optional<RamBlockQuery> query = RamBlockQuery.of(pid, qmp);
        if (query.isEmpty()) {
            return;
        }
        List<Line> lines =
                query.get().read().lines().stream()
                        .filter(line -> !isBackend.test(line.name()) && isPlain(line))
                        .toList();
        if (lines.stream().mapToLong(Line::usedBytes).sum() <= MOST_IN_USE_BYTES) {
            return;
        }
        List<ProcessMapping> mappings = GuestMemory.mappings(pid);
        long inUseBytes = 0;
        for (Line line : lines) {
            AuxiliaryBlock block = locate(line, mappings);
            try (AuxiliaryCopy copy = AuxiliaryCopy.prepare(pid, List.of(block))) {
                copy.read();
                inUseBytes += copy.bytesInUse();
            }
        }
        if (inUseBytes > MOST_IN_USE_BYTES) {
            throw new UnsupportedException(
                    "checkpoint: the guest uses %d MiB of RAM outside its memory backends, video memory above all, and no more than %d MiB can be kept beside its devices: give it a smaller screen or a video card with less memory"
                            .formatted(inUseBytes >> 20, MOST_IN_USE_BYTES >> 20));
        }
    }

    private static void requireSame(RamRegion backend, Optional<Line> line)
            throws UnsupportedException {
        boolean same =
                line.filter(it ->
                                it.usedBytes() == backend.sizeBytes()
                                        && it.hostAddress() == backend.hostAddress())
                        .isPresent();
        if (!same) {
            throw new UnsupportedException(
                    "checkpoint: QEMU migrates the guest's memory %s under another name or in part (%s), which cannot be restored: use the pause engine"
                            .formatted(
                                    backend.id(),
                                    line.map(Line::toString).orElse("no such RAM block")));
        }
    }

    private static AuxiliaryBlock locate(Line line, List<ProcessMapping> mappings)
            throws UnsupportedException {
        if (!isPlain(line)) {
            throw new UnsupportedException(
                    "checkpoint: the guest's RAM block %s at 0x%x has %d bytes, expected whole pages and at most %d bytes: use the pause engine"
                            .formatted(
                                    line.name(),
                                    line.hostAddress(),
                                    line.usedBytes(),
                                    LIMIT_BYTES));
        }
        boolean anonymous = true;
        long address = line.hostAddress();
        while (address < line.hostAddress() + line.usedBytes()) {
            ProcessMapping mapping = readable(line, address, mappings);
            anonymous &= !mapping.isShared() && mapping.inode() == 0;
            address = mapping.end();
        }
        return new AuxiliaryBlock(line.name(), line.hostAddress(), line.usedBytes(), anonymous);
    }

    private static boolean isPlain(Line line) {
        return line.usedBytes() > 0
                && line.usedBytes() <= LIMIT_BYTES
                && line.usedBytes() % Slot.PAGE_BYTES == 0
                && line.hostAddress() % Slot.PAGE_BYTES == 0;
    }

    private static ProcessMapping readable(Line line, long address, List<ProcessMapping> mappings)
            throws UnsupportedException {
        for (ProcessMapping mapping : mappings) {
            if (mapping.contains(address) && mapping.isReadable()) {
                return mapping;
            }
        }
        throw new UnsupportedException(
                "checkpoint: QEMU says that its RAM block %s lies at 0x%x, but maps nothing readable at 0x%x: is the monitor another process's?"
                        .formatted(line.name(), line.hostAddress(), address));
    }

    /** All RAM blocks that QEMU migrates, in its order. */
    public List<RamBlock> allBlocks() {
        return table.lines().stream()
                .map(line -> new RamBlock(line.name(), line.usedBytes(), 0, 0))
                .toList();
    }

    /** Makes room for a copy; the guest is not disturbed. */
    public AuxiliaryCopy prepareCopy() throws VmckptException {
        return AuxiliaryCopy.prepare(pid, blocks);
    }

    /**
     * Looks again.
     *
     * @throws RefusedException when a block came, went or changed since {@link #inspect}
     */
    public void requireUnchanged() throws VmckptException {
        if (!query.read().equals(table)) {
            throw new RefusedException(
                    "checkpoint: the guest's RAM blocks changed while the checkpoint was taken,"
                            + " since it was started again or a device was plugged in or out;"
                            + " take the checkpoint again");
        }
    }
}
