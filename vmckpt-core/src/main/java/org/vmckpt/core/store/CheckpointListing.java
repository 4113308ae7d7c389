package org.vmckpt.core.store;

import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.MemoryBlock;
import org.vmckpt.core.VmckptException;

/**
 * What a store holds, in short.
 *
 * @param checkpoints oldest first
 * @param unreadable why others cannot be read
 */
public record CheckpointListing(List<Entry> checkpoints, List<String> unreadable) {

    public CheckpointListing {
        checkpoints = List.copyOf(checkpoints);
        unreadable = List.copyOf(unreadable);
    }

    /**
     * One checkpoint.
     *
     * @param disks how many
     * @param storedBytes empty when a segment is missing, which {@code verify} reports in full
     * @param chainLength layers of the longest chain of memory
     */
    public record Entry(
            CheckpointId id,
            Optional<String> name,
            Instant createdAt,
            String guest,
            String guestUuid,
            String monitor,
            Optional<String> series,
            Optional<CheckpointId> parent,
            String engine,
            long memoryBytes,
            int disks,
            Optional<Long> storedBytes,
            int chainLength,
            Map<String, Long> statistics) {}

    public static CheckpointListing of(Store store) throws VmckptException {
        List<Entry> entries =
                store.list().stream().map(manifest -> entry(manifest, store)).toList();
        return new CheckpointListing(
                entries,
                store.unreadable().stream().map(e -> String.valueOf(e.getMessage())).toList());
    }

    private static Entry entry(Manifest manifest, Store store) {
        return new Entry(
                manifest.id(),
                manifest.name(),
                manifest.createdAt(),
                manifest.guest().name(),
                manifest.guest().uuid(),
                manifest.guest().qmpPath(),
                manifest.series(),
                manifest.parent(),
                manifest.engine(),
                manifest.memoryBytes(),
                manifest.disks().size(),
                storedBytes(manifest, store),
                manifest.memory().stream()
                        .map(MemoryBlock::layers)
                        .mapToInt(List::size)
                        .max()
                        .orElse(0),
                manifest.statistics());
    }

    private static Optional<Long> storedBytes(Manifest manifest, Store store) {
        try {
            return Optional.of(store.storedBytes(manifest));
        } catch (VmckptException e) {
            return Optional.empty();
        }
    }

    /** These, and all that they came from or that came from them: forks have other monitors. */
    public CheckpointListing withRelatives(CheckpointListing some) {
        Set<CheckpointId> family = new HashSet<>();
        some.checkpoints().forEach(entry -> family.add(entry.id()));
        boolean grown = true;
        while (grown) {
            grown = false;
            for (Entry entry : checkpoints) {
                boolean isIn = family.contains(entry.id());
                boolean parentIsIn = entry.parent().filter(family::contains).isPresent();
                if (parentIsIn && !isIn) {
                    grown |= family.add(entry.id());
                } else if (isIn && entry.parent().isPresent()) {
                    grown |= family.add(entry.parent().get());
                }
            }
        }
        return new CheckpointListing(
                checkpoints.stream().filter(entry -> family.contains(entry.id())).toList(),
                unreadable);
    }

    /** Only the checkpoints of guests with this name, UUID or monitor. */
    public CheckpointListing ofGuest(String guest) {
        return new CheckpointListing(
                checkpoints.stream()
                        .filter(entry ->
                                entry.guest().equals(guest)
                                        || entry.guestUuid().equals(guest)
                                        || entry.monitor().equals(guest))
                        .toList(),
                unreadable);
    }
}
