package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/**
 * Writes a new layer that holds only what differs from its parent, when nobody knows exactly which
 * units changed: all of them are given, or all that may have changed, and those that the parent has
 * too are left to it. Takes what a {@link SegmentWriter} takes, in its place, from any number of
 * threads.
 *
 * <p>Bytes are compared, not hashes: what the parent has is read and verified anyway, and two pages
 * that compare equal are equal.
 *
 * <p>A parent that turns out to be damaged, or is gone, is not built on. From then on every unit is
 * stored, and those that were left to the parent before are read back from it at the end, verified:
 * they were equal, so its bytes are theirs. The new layer then stands alone.
 */
public final class ParentComparison implements AutoCloseable {
    private final List<SegmentName> parentLayers;
    private final @Nullable LayeredReader parent;
    private final SegmentWriter writer;
    private final int unitSize;
    private final int batchUnits;
    private final boolean all;
    private final ConcurrentLinkedQueue<Batch> idleBatches = new ConcurrentLinkedQueue<>();

    /** The units that are equal in the parent; guarded by itself. */
    private final UnitSet left;

    /** Guarded by {@link #left}. */
    private long leftCount;

    private volatile @Nullable VmckptException damage;

    private ParentComparison(
            List<SegmentName> parentLayers,
            @Nullable LayeredReader parent,
            SegmentWriter writer,
            boolean all,
            @Nullable VmckptException damage) {
        this.all = all;
        this.parentLayers = List.copyOf(parentLayers);
        this.parent = parent;
        this.writer = writer;
        this.damage = damage;
        this.unitSize = writer.unitSizeBytes();
        this.batchUnits = SegmentFormat.unitsPerBlock(unitSize);
        this.left = new UnitSet(writer.unitCount());
    }

    /**
     * Compares with a parent. The caller holds the store ({@link Store#hold}) since before it read
     * the parent's manifest.
     *
     * @param parentLayers oldest first, of the same RAM block or disk
     * @param writer stays the caller's to close
     */
    public static ParentComparison of(
            Store store, List<SegmentName> parentLayers, SegmentWriter writer) {
        LayeredReader parent = null;
        VmckptException damage = null;
        try {
            parent = parentLayers.isEmpty() ? null : store.openLayers(parentLayers);
            if (parent != null && !isLike(parent, writer)) {
                damage = otherSize(parent, writer);
            }
        } catch (VmckptException e) {
            damage = e;
        }
        return new ParentComparison(parentLayers, parent, writer, true, damage);
    }

    /**
     * The same for a writer that is given only some units: whatever is not given is the parent's.
     * So a parent that turns out to be damaged is an error, here and in what is called later.
     *
     * @throws VmckptException when the parent cannot be built on
     */
    public static ParentComparison ofSome(
            Store store, List<SegmentName> parentLayers, SegmentWriter writer)
            throws VmckptException {
        LayeredReader parent = store.openLayers(parentLayers);
        if (!isLike(parent, writer)) {
            CorruptException other = otherSize(parent, writer);
            parent.close();
            throw other;
        }
        return new ParentComparison(parentLayers, parent, writer, false, null);
    }

    private static boolean isLike(LayeredReader parent, SegmentWriter writer) {
        return parent.unitSizeBytes() == writer.unitSizeBytes()
                && parent.contentBytes() == writer.contentBytes();
    }

    private static CorruptException otherSize(LayeredReader parent, SegmentWriter writer) {
        return new CorruptException(
                "compare with segment "
                        + parent.layers().getLast()
                        + ": it has "
                        + parent.contentBytes()
                        + " bytes in units of "
                        + parent.unitSizeBytes()
                        + ", the guest "
                        + writer.contentBytes()
                        + " in units of "
                        + writer.unitSizeBytes());
    }

    /** As {@link SegmentWriter#append}. */
    public void append(long[] units, int count, ByteBuffer data) throws VmckptException {
        LayeredReader stack = parent;
        if (damage != null || stack == null) {
            writer.append(units, count, data);
            return;
        }
        Batch idle = idleBatches.poll();
        Batch batch = idle != null ? idle : new Batch(stack);
        try {
            for (int first = 0; first < count; first += batchUnits) {
                batch.appendChanged(units, first, Math.min(count, first + batchUnits), data);
            }
        } finally {
            idleBatches.add(batch);
        }
    }

    /** As {@link SegmentWriter#appendZeros}. */
    public void appendZeros(long firstUnit, long count) throws VmckptException {
        LayeredReader stack = parent;
        if (damage != null || stack == null) {
            writer.appendZeros(firstUnit, count);
            return;
        }
        long end = firstUnit + count;
        long unit = firstUnit;
        while (unit < end) {
            long data = stack.nextData(unit, end);
            leave(unit, data - unit);
            unit = data;
            while (unit < end && stack.state(unit) == UnitState.DATA) {
                unit++;
            }
            writer.appendZeros(data, unit - data);
        }
    }

    private void leave(long first, long count) {
        synchronized (left) {
            if (!left.addRun(first, count)) {
                throw new IllegalStateException("a unit from " + first + " was given twice");
            }
            leftCount += count;
        }
    }

    /** How many units the parent has too. */
    public long unchangedUnits() {
        synchronized (left) {
            return leftCount;
        }
    }

    /**
     * Finishes the writer; no append may be under way.
     *
     * @return the layers of the new checkpoint, oldest first: the parent's and the new one, or the
     *     new one alone when the parent is damaged, or the parent's alone when nothing changed
     */
    public List<SegmentName> finish() throws VmckptException {
        Batch batch;
        while ((batch = idleBatches.poll()) != null) {
            batch.changed.flush();
        }
        LayeredReader stack = parent;
        if (damage != null && stack != null) {
            takeOver(stack);
        }
        if (damage == null && writer.isEmpty()) {
            writer.close();
            return parentLayers;
        }
        List<SegmentName> layers = new ArrayList<>(damage == null ? parentLayers : List.of());
        layers.add(writer.finish());
        return layers;
    }

    /** Why the parent is not built on; for the checkpoint's report. */
    public Optional<String> warning() {
        VmckptException found = damage;
        return found == null
                ? Optional.empty()
                : Optional.of(
                        "the checkpoint does not build on its parent, and stores all memory: "
                                + found.getMessage());
    }

    /** Stores what was left to the parent; what is zero there is zero without a layer below. */
    private void takeOver(LayeredReader stack) throws VmckptException {
        UnitBatch batch = new UnitBatch(writer);
        ByteBuffer data = ByteBuffer.allocateDirect(unitSize);
        synchronized (left) {
            long end = left.unitCount();
            for (long unit = left.nextIn(0); unit < end; unit = left.nextIn(unit + 1)) {
                if (stack.state(unit) == UnitState.DATA) {
                    stack.read(unit, data.clear());
                    batch.add(unit, data, 0);
                }
            }
        }
        batch.flush();
    }

    /** Closes the parent's segments. */
    @Override
    public void close() {
        if (parent != null) {
            parent.close();
        }
    }

    /** One thread's comparison at a time, and the changed units of several calls. */
    private final class Batch {
        private final UnitComparer comparer;
        private final UnitBatch changed = new UnitBatch(writer);

        Batch(LayeredReader stack) {
            this.comparer = new UnitComparer(stack, batchUnits);
        }

        void appendChanged(long[] units, int first, int end, ByteBuffer data)
                throws VmckptException {
            boolean compared = compare(units, first, end, data);
            for (int i = first; i < end; i++) {
                if (compared && comparer.isEqual(i - first)) {
                    leave(units[i], 1);
                } else {
                    changed.add(units[i], data, data.position() + i * unitSize);
                }
            }
        }

        /** False when the parent cannot be read: then all of it counts as changed. */
        private boolean compare(long[] units, int first, int end, ByteBuffer data)
                throws VmckptException {
            try {
                comparer.compare(units, first, end, data);
                return true;
            } catch (VmckptException e) {
                if (!all) {
                    throw e;
                }
                damage = e;
                return false;
            }
        }
    }
}
