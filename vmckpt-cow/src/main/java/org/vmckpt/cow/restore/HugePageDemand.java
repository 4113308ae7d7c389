package org.vmckpt.cow.restore;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.definition.OptionProperties;
import org.vmckpt.cow.definition.QemuCommandLine;
import org.vmckpt.cow.definition.QemuOption;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.FileSystem;
import org.vmckpt.cow.memory.HugePagePool;

/** The huge pages that the new guest takes: this host must have that many to give. */
final class HugePageDemand {
    private final Map<Long, Long> countBySize = new TreeMap<>();

    private HugePageDemand() {}

    /**
     * Of the memory backends of a command line.
     *
     * @param blocks the checkpoint's memory, which says how large each backend is
     */
    static HugePageDemand of(QemuCommandLine line, List<MemoryBlock> blocks)
            throws VmckptException {
        HugePageDemand demand = new HugePageDemand();
        for (QemuOption option : line.named("object")) {
            Optional<Long> pageBytes = pageBytes(option);
            if (pageBytes.isPresent()) {
                demand.add(pageBytes.get(), sizeOf(option, blocks));
            }
        }
        return demand;
    }

    private void add(long pageBytes, long sizeBytes) {
        countBySize.merge(pageBytes, Math.ceilDiv(sizeBytes, pageBytes), Long::sum);
    }

    private static long sizeOf(QemuOption object, List<MemoryBlock> blocks) {
        String id = object.id().orElse("");
        return blocks.stream()
                .filter(block -> block.id().equals(id) || block.id().equals("/objects/" + id))
                .mapToLong(MemoryBlock::sizeBytes)
                .sum();
    }

    /** Empty for memory that is not in huge pages of hugetlbfs. */
    private static Optional<Long> pageBytes(QemuOption object) throws VmckptException {
        OptionProperties properties = object.properties();
        return switch (object.type()) {
            case "memory-backend-memfd" ->
                    properties.isOn("hugetlb")
                            ? Optional.of(memfdPageBytes(properties))
                            : Optional.empty();
            case "memory-backend-file" ->
                    properties.get("mem-path").flatMap(HugePageDemand::ofFile);
            default -> Optional.empty();
        };
    }

    private static long memfdPageBytes(OptionProperties properties) throws VmckptException {
        Optional<Long> given = properties.get("hugetlbsize").flatMap(HugePageDemand::bytes);
        return given.isPresent() ? given.get() : HugePagePool.defaultPageBytes();
    }

    /** The file is not there yet; its folder is. */
    private static Optional<Long> ofFile(String path) {
        Path place = Path.of(path).toAbsolutePath();
        if (!Files.exists(place) && place.getParent() != null) {
            place = place.getParent();
        }
        try {
            FileSystem files = FileSystem.of(place);
            return files.isHugetlbfs() ? Optional.of(files.blockBytes()) : Optional.empty();
        } catch (ErrnoException reportedElsewhere) {
            return Optional.empty();
        }
    }

    /** Reads a size as QEMU writes it, {@code 2M} for example; empty when it is none. */
    static Optional<Long> bytes(String text) {
        String upper = text.toUpperCase(Locale.ROOT);
        int shift =
                switch (upper.isEmpty() ? ' ' : upper.charAt(upper.length() - 1)) {
                    case 'K' -> 10;
                    case 'M' -> 20;
                    case 'G' -> 30;
                    default -> 0;
                };
        String digits = shift == 0 ? upper : upper.substring(0, upper.length() - 1);
        return digits.matches("[1-9][0-9]{0,9}")
                ? Optional.of(Long.parseLong(digits) << shift)
                : Optional.empty();
    }

    long count(long pageBytes) {
        return countBySize.getOrDefault(pageBytes, 0L);
    }

    /** Looks at this host's pools; what is missing is added to the problems. */
    void check(Problems problems) throws VmckptException {
        for (Map.Entry<Long, Long> entry : countBySize.entrySet()) {
            check(HugePagePool.of(entry.getKey()), entry.getValue(), problems);
        }
    }

    static void check(HugePagePool pool, long count, Problems problems) {
        long missing = count - pool.available();
        if (missing > 0) {
            problems.unsupported(
                    "the guest's memory takes %d huge pages of %d kB, and this host has %d to give (HugePages_Free less HugePages_Rsvd): %d are missing; reserve them with: %s"
                            .formatted(
                                    count,
                                    pool.pageBytes() >> 10,
                                    pool.available(),
                                    missing,
                                    pool.commandForMore(missing)));
        }
    }
}
