package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import java.util.List;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/**
 * Writes one segment that says what a run of layers says, and reads it again before anybody may
 * rely on it. The same run always gives the same segment. Holds the indexes of the run and a few
 * blocks in memory.
 */
final class LayerMerge {
    /** How many blocks go between two reports of progress. */
    private static final int STRIDE_BLOCKS = 64;

    private final LayeredReader source;
    private final ProgressListener progress;
    private long doneBlocks;

    LayerMerge(LayeredReader source, ProgressListener progress) {
        this.source = source;
        this.progress = progress;
    }

    /** Returns the finished segment; the caller publishes or abandons it. */
    static SegmentName merge(Store store, List<SegmentName> run, ProgressListener progress)
            throws VmckptException {
        try (LayeredReader source = store.openLayers(run)) {
            LayerMerge merge = new LayerMerge(source, progress);
            SegmentName merged = merge.write(store);
            boolean equal = false;
            try (LayeredReader written = store.openLayers(List.of(merged))) {
                merge.requireEqual(written);
                equal = true;
            } finally {
                if (!equal) {
                    store.abandon(List.of(merged));
                }
            }
            return merged;
        }
    }

    private SegmentName write(Store store) throws VmckptException {
        int unitSize = source.unitSizeBytes();
        try (SegmentWriter writer =
                store.newSegment(source.kind(), unitSize, source.contentBytes())) {
            UnitBatch batch = new UnitBatch(writer);
            visit((units, count, data) -> {
                for (int i = 0; i < count; i++) {
                    batch.add(units[i], data, data.position() + i * unitSize);
                }
            });
            batch.flush();
            source.forEachZeroRun(writer::appendZeros);
            return writer.finish();
        }
    }

    /** Fails unless both say the same of every unit. */
    void requireEqual(LayeredReader written) throws VmckptException {
        UnitComparer comparer = new UnitComparer(written, SegmentFormat.MAX_UNITS_PER_BLOCK);
        visit((units, count, data) -> verifyUnits(comparer, units, count, data, written));
        for (long unit = 0; unit < source.unitCount(); unit++) {
            boolean known = source.state(unit) != UnitState.ABSENT;
            boolean zero = source.state(unit) == UnitState.ZERO;
            UnitState found = written.state(unit);
            if (known != (found != UnitState.ABSENT) || (zero && found != UnitState.ZERO)) {
                throw different(written, unit);
            }
        }
    }

    private static void verifyUnits(
            UnitComparer comparer, long[] units, int count, ByteBuffer data, LayeredReader written)
            throws VmckptException {
        comparer.compare(units, 0, count, data);
        for (int i = 0; i < count; i++) {
            if (!comparer.isEqual(i)) {
                throw different(written, units[i]);
            }
        }
    }

    private static CorruptException different(LayeredReader written, long unit) {
        return new CorruptException(
                "compact: the new segment "
                        + written.layers().getFirst()
                        + " does not say of unit "
                        + unit
                        + " what its layers say; it is not used and nothing was changed. Check the"
                        + " memory and the disk of this host");
    }

    private void visit(BlockVisitor visitor) throws VmckptException {
        int count = source.blockCount();
        for (int first = 0; first < count; first += STRIDE_BLOCKS) {
            int end = Math.min(count, first + STRIDE_BLOCKS);
            progress.update("compact", doneBlocks, 2L * count, "blocks");
            source.visitBlocks(first, end, visitor);
            doneBlocks += end - first;
        }
        progress.update("compact", doneBlocks, 2L * count, "blocks");
    }
}
