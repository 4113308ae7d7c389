package org.vmckpt.core.store;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/**
 * Keeps chains of layers short: merges neighbouring layers into one segment, and has every
 * checkpoint that lists them name that segment in their place.
 *
 * <p>Each step leaves all checkpoints complete. The merged segment is durable and compared with its
 * layers before a manifest names it; manifests are replaced one by one, each atomically; segments
 * that nobody lists any more are removed last, and only when nobody holds the store. Who dies in
 * between leaves at most a segment that nobody lists, which {@link Store#clean} removes.
 *
 * <p>Works in the caller's thread: give that a low priority, and end it early by throwing from the
 * progress listener.
 */
public final class Compactor {
    /** How long a chain may be: what a reader opens, and asks for each page, at most. */
    public static final int MAX_LAYERS = 16;

    private final Store store;
    private final Optional<CheckpointId> only;
    private final int maxLayers;
    private final ProgressListener progress;
    private final Map<SegmentName, Long> sizesBytes = new HashMap<>();
    private final Set<List<SegmentName>> failed = new HashSet<>();
    private final List<String> problems = new ArrayList<>();
    private int runsFolded;
    private int segmentsFolded;
    private long bytesWritten;
    private int checkpointsChanged;

    private Compactor(
            Store store, Optional<CheckpointId> only, int maxLayers, ProgressListener progress) {
        if (maxLayers < 1) {
            throw new IllegalArgumentException("a chain has at least one layer");
        }
        this.store = store;
        this.only = only;
        this.maxLayers = maxLayers;
        this.progress = progress;
    }

    /** Shortens every chain of the store that is longer than {@link #MAX_LAYERS}, or wasteful. */
    public static CompactionReport compactAll(Store store, ProgressListener progress)
            throws VmckptException {
        return new Compactor(store, Optional.empty(), MAX_LAYERS, progress).run();
    }

    /**
     * Shortens the chains of some or all checkpoints.
     *
     * @param only this checkpoint, or all
     * @param maxLayers 1 makes each chain one segment
     */
    public static CompactionReport compact(
            Store store, Optional<CheckpointId> only, int maxLayers, ProgressListener progress)
            throws VmckptException {
        return new Compactor(store, only, maxLayers, progress).run();
    }

    private CompactionReport run() throws VmckptException {
        try (StoreHold _ = store.hold()) {
            requireReadable();
            boolean more = true;
            while (more) {
                more = foldOne(store.list());
            }
        }
        return new CompactionReport(
                runsFolded,
                segmentsFolded,
                bytesWritten,
                checkpointsChanged,
                store.clean(),
                problems);
    }

    /** What an unreadable manifest uses is not known, so nothing could be given back. */
    private void requireReadable() throws VmckptException {
        List<VmckptException> unreadable = store.unreadable();
        if (!unreadable.isEmpty()) {
            throw new RefusedException(
                    "compact store "
                            + store.directory()
                            + ": nothing could be given back while a checkpoint cannot be read;"
                            + " repair or remove it first ("
                            + unreadable.getFirst().getMessage()
                            + ")",
                    unreadable.getFirst());
        }
    }

    /** Folds one run, of the newest checkpoint that needs it; false when none does. */
    private boolean foldOne(List<Manifest> all) throws VmckptException {
        List<List<SegmentName>> chains = all.stream().flatMap(Compactor::chains).toList();
        for (Manifest manifest : all.reversed()) {
            if (only.isPresent() && !manifest.id().equals(only.get())) {
                continue;
            }
            for (List<SegmentName> chain : chains(manifest).toList()) {
                Optional<List<SegmentName>> run = plan(chain, chains);
                if (run.isPresent() && !failed.contains(run.get())) {
                    fold(run.get());
                    return true;
                }
            }
        }
        return false;
    }

    private static Stream<List<SegmentName>> chains(Manifest manifest) {
        return Stream.concat(
                        manifest.memory().stream().map(Manifest.MemoryBlock::layers),
                        manifest.disks().stream().map(Manifest.DiskState::layers))
                .filter(layers -> !layers.isEmpty());
    }

    private Optional<List<SegmentName>> plan(List<SegmentName> chain, List<List<SegmentName>> all)
            throws VmckptException {
        if (chain.size() == 1) {
            return Optional.empty();
        }
        long[] sizes = new long[chain.size()];
        for (int i = 0; i < sizes.length; i++) {
            sizes[i] = sizeBytes(chain.get(i));
        }
        if (!FoldPlan.isThinkable(sizes, maxLayers)) {
            return Optional.empty();
        }
        BitSet tops = new BitSet(chain.size());
        for (List<SegmentName> other : all) {
            int shared = sharedLayers(chain, other);
            if (shared > 0) {
                tops.set(shared - 1);
            }
        }
        return FoldPlan.of(sizes, tops, maxLayers)
                .map(plan -> chain.subList(plan.first(), plan.end()));
    }

    private static int sharedLayers(List<SegmentName> one, List<SegmentName> other) {
        int most = Math.min(one.size(), other.size());
        int shared = 0;
        while (shared < most && one.get(shared).equals(other.get(shared))) {
            shared++;
        }
        return shared;
    }

    private long sizeBytes(SegmentName name) throws VmckptException {
        Long known = sizesBytes.get(name);
        long size = known != null ? known : store.segmentBytes(name);
        sizesBytes.put(name, size);
        return size;
    }

    private void fold(List<SegmentName> run) throws VmckptException {
        SegmentName merged;
        try {
            requireSpace(run);
            merged = LayerMerge.merge(store, run, progress);
        } catch (CorruptException | NotFoundException e) {
            // A damaged chain stays as it is: its undamaged part can still be saved by hand.
            failed.add(List.copyOf(run));
            problems.add(e.getMessage());
            return;
        }
        try {
            checkpointsChanged += store.fold(new Folding(run, merged));
        } finally {
            store.abandon(List.of(merged));
        }
        runsFolded++;
        segmentsFolded += run.size();
        bytesWritten += sizeBytes(merged);
    }

    /** What the guests' next checkpoints need is not filled up by something that can wait. */
    private void requireSpace(List<SegmentName> run) throws VmckptException {
        long mostBytes = 0;
        for (SegmentName name : run) {
            mostBytes += sizeBytes(name);
        }
        long usableBytes = store.usableBytes();
        if (mostBytes > usableBytes) {
            throw new StorageException(
                    "compact store "
                            + store.directory()
                            + ": merging "
                            + run.size()
                            + " layers may take "
                            + mostBytes
                            + " bytes for a while, the file system has "
                            + usableBytes
                            + " left; free space, for example with 'vmckpt remove'");
        }
    }
}
