package org.vmckpt.core.store;

import java.nio.ByteBuffer;
import java.util.Optional;
import org.vmckpt.core.VmckptException;

/**
 * Compares units with what a stack of layers has in their place, byte for byte. Of one batch, each
 * stored block is read, verified and decoded once. Used by one thread at a time.
 */
final class UnitComparer {
    private static final int DONE = UnitMap.ZERO - 1;

    private final LayeredReader stack;
    private final ZeroDetector zeroDetector;
    private final SegmentReader[] layers;
    private final int[] blocks;
    private final boolean[] equal;

    UnitComparer(LayeredReader stack, int maxUnits) {
        this.stack = stack;
        this.zeroDetector = new ZeroDetector(stack.unitSizeBytes());
        this.layers = new SegmentReader[maxUnits];
        this.blocks = new int[maxUnits];
        this.equal = new boolean[maxUnits];
    }

    /**
     * Compares units {@code first} to {@code end - 1} of a batch. Afterwards {@link #isEqual} tells
     * of each; when it throws, of none.
     *
     * @param data the whole batch, from its position on
     */
    void compare(long[] units, int first, int end, ByteBuffer data) throws VmckptException {
        int unitSize = stack.unitSizeBytes();
        int base = data.position() + first * unitSize;
        ByteBuffer view = data.duplicate();
        for (int i = 0; i < end - first; i++) {
            Optional<SegmentReader> layer = stack.dataLayer(units[first + i]);
            if (layer.isPresent()) {
                layers[i] = layer.get();
                blocks[i] = layer.get().blockOf(units[first + i]);
            } else {
                blocks[i] = DONE;
                equal[i] = zeroDetector.isZero(view, base + i * unitSize);
            }
        }
        for (int i = 0; i < end - first; i++) {
            if (blocks[i] != DONE) {
                compareWithBlock(units, first, i, end, view, base);
            }
        }
    }

    /** Whether the unit at {@code first + i} of the last batch is the same in the stack. */
    boolean isEqual(int i) {
        return equal[i];
    }

    /** Compares each unit of the batch that lies in the same block as the {@code from}th. */
    private void compareWithBlock(
            long[] units, int first, int from, int end, ByteBuffer view, int base)
            throws VmckptException {
        SegmentReader layer = layers[from];
        int block = blocks[from];
        int unitSize = stack.unitSizeBytes();
        BlockDecoder decoder = layer.takeDecoder();
        try {
            ByteBuffer stored = decoder.decode(block).duplicate();
            for (int i = from; i < end - first; i++) {
                if (blocks[i] == block && layers[i] == layer) {
                    int at = decoder.record.indexOf(units[first + i]) * unitSize;
                    stored.clear().limit(at + unitSize).position(at);
                    int given = base + i * unitSize;
                    view.clear().limit(given + unitSize).position(given);
                    equal[i] = view.mismatch(stored) < 0;
                    blocks[i] = DONE;
                }
            }
        } finally {
            layer.giveBack(decoder);
        }
    }
}
