package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import java.util.List;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.VmckptException;

/** Reads a stack of segments: of each unit, the topmost layer that is not absent wins. */
public final class LayeredReader implements UnitReader {
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
        return layer < 0 ? UnitState.ABSENT : layers.get(layer).state(unit);
    }

    @Override
    public void read(long unit, ByteBuffer dst) throws VmckptException {
        int layer = deciding(unit);
        layers.get(Math.max(layer, 0)).read(unit, dst);
    }

    /** The topmost layer that says something of the unit; -1 when none does. */
    private int deciding(long unit) {
        if (unit < 0 || unit >= unitCount()) {
            throw new IllegalArgumentException("unit " + unit + " of " + unitCount());
        }
        for (int layer = layers.size() - 1; layer >= 0; layer--) {
            if (unit < layers.get(layer).unitCount()
                    && layers.get(layer).state(unit) != UnitState.ABSENT) {
                return layer;
            }
        }
        return -1;
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
        SegmentReader layer = layers.get(number);
        if (layer == top) {
            if (from < to) {
                layer.visitBlocks(from, to, visitor);
            }
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
