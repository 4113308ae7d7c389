package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** Reads a stack of segments: of each unit, the topmost layer that is not absent wins. */
public final class LayeredReader implements UnitReader {
    /** What decides a unit when no layer says anything of it. */
    private static final int NOBODY = -1;

    /** What decides a unit beyond the end of a layer that hides the older ones. */
    private static final int BEYOND_A_LAYER = -2;

    /** Oldest first. */
    private final List<SegmentReader> layers;

    private final SegmentReader top;

    private LayeredReader(List<SegmentReader> layers) {
        this.layers = List.copyOf(layers);
        this.top = layers.getLast();
    }

    /** Takes over the readers, oldest first; the caller closes them when this fails. */
    static LayeredReader of(List<SegmentReader> layers) throws CorruptException {
        if (layers.isEmpty()) {
            throw new IllegalArgumentException("a stack of layers needs at least one");
        }
        SegmentReader top = layers.getLast();
        for (SegmentReader layer : layers) {
            if (layer.unitSizeBytes() != top.unitSizeBytes() || layer.kind() != top.kind()) {
                throw new CorruptException(
                        "stack segment "
                                + top.name()
                                + " on segment "
                                + layer.name()
                                + ": kind and unit size must be equal, found "
                                + top.unitSizeBytes()
                                + " on "
                                + layer.unitSizeBytes()
                                + " bytes; the manifest that lists them is wrong");
            }
        }
        return new LayeredReader(layers);
    }

    /** Oldest first. */
    public List<SegmentName> layers() {
        return layers.stream().map(SegmentReader::name).toList();
    }

    SegmentKind kind() {
        return top.kind();
    }

    @Override
    public int unitSizeBytes() {
        return top.unitSizeBytes();
    }

    @Override
    public long contentBytes() {
        return top.contentBytes();
    }

    @Override
    public long unitCount() {
        return top.unitCount();
    }

    @Override
    public UnitState state(long unit) {
        int layer = deciding(unit);
        return switch (layer) {
            case NOBODY -> UnitState.ABSENT;
            case BEYOND_A_LAYER -> UnitState.ZERO;
            default -> layers.get(layer).state(unit);
        };
    }

    @Override
    public void read(long unit, ByteBuffer dst) throws VmckptException {
        int layer = deciding(unit);
        if (layer < 0) {
            SegmentReader.putZeros(dst, unitSizeBytes());
        } else {
            layers.get(layer).read(unit, dst);
        }
    }

    /** The layer that holds the unit's data; empty when the unit reads as zeros. */
    Optional<SegmentReader> dataLayer(long unit) {
        int layer = deciding(unit);
        return layer >= 0 && layers.get(layer).state(unit) == UnitState.DATA
                ? Optional.of(layers.get(layer))
                : Optional.empty();
    }

    /** The first unit from {@code from} on that has data; {@code end} when none before it has. */
    long nextData(long from, long end) {
        long unit = from;
        while (unit < end) {
            long clear = withoutDataUntil(unit);
            if (clear > unit) {
                unit = clear;
            } else if (state(unit) == UnitState.DATA) {
                return unit;
            } else {
                unit++;
            }
        }
        return end;
    }

    /** A large hole is left in large steps; returns {@code unit} when there may be data near. */
    private long withoutDataUntil(long unit) {
        long until = Long.MAX_VALUE;
        for (SegmentReader layer : layers) {
            until = Math.min(until, layer.withoutDataUntil(unit));
        }
        return until;
    }

    /** The topmost layer that says something of the unit; negative when none does. */
    private int deciding(long unit) {
        if (unit < 0 || unit >= unitCount()) {
            throw new IllegalArgumentException("unit " + unit + " of " + unitCount());
        }
        for (int layer = layers.size() - 1; layer >= 0; layer--) {
            if (unit >= layers.get(layer).unitCount()) {
                return BEYOND_A_LAYER;
            }
            if (layers.get(layer).state(unit) != UnitState.ABSENT) {
                return layer;
            }
        }
        return NOBODY;
    }

    @Override
    public int blockCount() {
        return Math.toIntExact(layers.stream().mapToLong(SegmentReader::blockCount).sum());
    }

    @Override
    public void visitBlocks(int first, int end, BlockVisitor visitor) throws VmckptException {
        int before = 0;
        for (int number = 0; number < layers.size(); number++) {
            int count = layers.get(number).blockCount();
            int from = Math.max(first - before, 0);
            int to = Math.min(end - before, count);
            visitLayer(number, from, to, visitor);
            before += count;
        }
    }

    private void visitLayer(int number, int from, int to, BlockVisitor visitor)
            throws VmckptException {
        if (from >= to) {
            return;
        }
        SegmentReader layer = layers.get(number);
        if (number == layers.size() - 1) {
            layer.visitBlocks(from, to, visitor);
            return;
        }
        WinningUnits filter = new WinningUnits(number, layer, visitor);
        long[] units = new long[layer.unitsPerBlock()];
        for (int block = from; block < to; block++) {
            int count = layer.unitsOf(block, units);
            if (filter.anyWins(units, count)) {
                layer.visitBlocks(block, block + 1, filter);
            }
        }
    }

    /** Whether the layer is the one that decides. */
    private boolean wins(int layer, long unit) {
        return unit < unitCount() && deciding(unit) == layer;
    }

    @Override
    public void forEachZeroRun(ZeroRunVisitor visitor) throws VmckptException {
        for (int number = 0; number < layers.size(); number++) {
            int layer = number;
            layers.get(layer)
                    .forEachZeroRun((first, count) -> visitZeros(layer, first, count, visitor));
        }
        long shortest = unitCount();
        for (SegmentReader layer : layers) {
            shortest = Math.min(shortest, layer.unitCount());
        }
        visitZeros(BEYOND_A_LAYER, shortest, unitCount() - shortest, visitor);
    }

    private void visitZeros(int layer, long first, long count, ZeroRunVisitor visitor)
            throws VmckptException {
        if (layer == layers.size() - 1) {
            visitor.visit(first, count);
            return;
        }
        long end = Math.min(first + count, unitCount());
        long unit = first;
        while (unit < end) {
            long runEnd = unit;
            while (runEnd < end && wins(layer, runEnd)) {
                runEnd++;
            }
            if (runEnd > unit) {
                visitor.visit(unit, runEnd - unit);
            }
            unit = Math.max(runEnd, unit + 1);
        }
    }

    /** Passes on those units of a lower layer that no upper layer hides. */
    private final class WinningUnits implements BlockVisitor {
        private final int layer;
        private final BlockVisitor visitor;
        private final long[] kept;
        private final ByteBuffer keptData;

        WinningUnits(int layer, SegmentReader reader, BlockVisitor visitor) {
            this.layer = layer;
            this.visitor = visitor;
            this.kept = new long[reader.unitsPerBlock()];
            this.keptData =
                    ByteBuffer.allocateDirect(reader.unitsPerBlock() * reader.unitSizeBytes());
        }

        boolean anyWins(long[] units, int count) {
            for (int i = 0; i < count; i++) {
                if (wins(layer, units[i])) {
                    return true;
                }
            }
            return false;
        }

        @Override
        public void visit(long[] units, int count, ByteBuffer data) throws VmckptException {
            int unitSize = unitSizeBytes();
            int keptCount = 0;
            keptData.clear();
            for (int i = 0; i < count; i++) {
                if (wins(layer, units[i])) {
                    kept[keptCount] = units[i];
                    keptData.put(
                            keptCount * unitSize, data, data.position() + i * unitSize, unitSize);
                    keptCount++;
                }
            }
            keptData.limit(keptCount * unitSize);
            visitor.visit(kept, keptCount, keptData.asReadOnlyBuffer());
        }
    }

    @Override
    public void close() {
        layers.forEach(SegmentReader::close);
    }
}
