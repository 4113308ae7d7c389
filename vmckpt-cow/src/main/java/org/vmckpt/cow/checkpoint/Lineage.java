package org.vmckpt.cow.checkpoint;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;

/**
 * What a checkpoint builds on.
 *
 * @param tracked the guest's memory, when it is watched from one checkpoint to the next
 * @param since the checkpoint since which it was watched; without it all of memory is read
 * @param series which run of continuous checkpoints this one belongs to
 */
record Lineage(
        Optional<TrackedMemory> tracked, Optional<CheckpointId> since, Optional<String> series) {
    /** A longer chain costs time at every read; then it is begun anew. */
    private static final int LONGEST_CHAIN = 32;

    /** A checkpoint by itself. */
    static final Lineage NONE = of(Optional.empty());

    /** A checkpoint whose memory was not tracked. */
    static Lineage of(Optional<String> series) {
        return new Lineage(Optional.empty(), Optional.empty(), series);
    }

    /** The caller holds the store, so that what is found stays. */
    MemoryParent parent(Store store, GuestDefinition guest, boolean full) throws VmckptException {
        if (since.isPresent()) {
            return new MemoryParent(store.find(since.get().toString()).memory(), true);
        }
        if (full) {
            return MemoryParent.NONE;
        }
        return store.list().stream()
                // A wrong guess costs time and nothing else: every page is compared.
                .filter(manifest -> manifest.guest().isSameGuest(guest))
                .max(Comparator.comparing(Manifest::createdAt))
                .map(Manifest::memory)
                .filter(blocks ->
                        blocks.stream().allMatch(block -> block.layers().size() < LONGEST_CHAIN))
                .map(blocks -> new MemoryParent(blocks, false))
                .orElse(MemoryParent.NONE);
    }

    /**
     * Whether the checkpoint since which memory was watched is still there to build on: somebody
     * may have removed it.
     */
    static boolean isThere(Store store, CheckpointId id) throws VmckptException {
        List<Manifest> all = store.list();
        return all.stream().anyMatch(manifest -> manifest.id().equals(id));
    }
}
