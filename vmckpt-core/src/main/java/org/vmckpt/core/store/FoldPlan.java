package org.vmckpt.core.store;

import java.util.BitSet;
import java.util.Optional;

/**
 * Which layers of a chain are merged next, from {@code first} to {@code end - 1}.
 *
 * <p>Only runs that all checkpoints share whole give space back. So layers between two kept
 * checkpoints go first. Then the oldest layers, up to the oldest kept checkpoint: of these, those
 * that are at least twice as large as all newer ones together stay as they are, so that the large
 * base is written again only when half of it has changed, and each page a few times at most. When
 * nearly as many checkpoints are kept as layers are allowed, a run reaches over older ones, which
 * go on with the layers that they have.
 */
record FoldPlan(int first, int end) {
    /** Folding makes room, so that the next checkpoint does not fold again: a quarter. */
    private static final int ROOM_DIVISOR = 4;

    /**
     * When the kept checkpoints leave fewer layers than this part, the base would be among them.
     */
    private static final int CROWDED_DIVISOR = 6;

    /** A layer that is this many times larger than all newer ones is not written again. */
    private static final int STAYING_RATIO = 2;

    /** Below this, what a layer costs is not its bytes. */
    private static final long SMALL_BYTES = 1 << 20;

    /** Shared layers that are so many times the largest of them hold mostly what is overwritten. */
    private static final int WASTEFUL_RATIO = 3;

    /**
     * Plans one fold.
     *
     * @param sizesBytes of the chain's segments, oldest first
     * @param tops layers on which a checkpoint, or a fork of the chain, ends; the last one is set
     * @return empty when the chain is good as it is
     */
    static Optional<FoldPlan> of(long[] sizesBytes, BitSet tops, int maxLayers) {
        int count = sizesBytes.length;
        boolean tooLong = count > maxLayers;
        int last = tops.nextSetBit(0);
        if (!tooLong) {
            return isWasteful(sizesBytes, last)
                    ? Optional.of(new FoldPlan(firstToMove(sizesBytes, last), last + 1))
                    : Optional.empty();
        }
        Optional<FoldPlan> between = betweenTops(tops);
        if (between.isPresent()) {
            return between;
        }
        int wanted = maxLayers - maxLayers / ROOM_DIVISOR;
        int newer = count - 1 - last;
        if (newer >= wanted - wanted / CROWDED_DIVISOR) {
            newer = wanted / 2;
            last = count - 1 - newer;
        }
        int first = Math.min(firstToMove(sizesBytes, last), wanted - newer - 1);
        return Optional.of(new FoldPlan(first, last + 1));
    }

    /** False when no set of tops would give a plan: says so without asking all other chains. */
    static boolean isThinkable(long[] sizesBytes, int maxLayers) {
        if (sizesBytes.length > maxLayers) {
            return true;
        }
        for (int last = 1; last < sizesBytes.length; last++) {
            if (isWasteful(sizesBytes, last)) {
                return true;
            }
        }
        return false;
    }

    /** Layers of removed checkpoints, between two that are kept. */
    private static Optional<FoldPlan> betweenTops(BitSet tops) {
        int top = tops.nextSetBit(0);
        for (int next = tops.nextSetBit(top + 1); next >= 0; next = tops.nextSetBit(top + 1)) {
            if (next - top > 1) {
                return Optional.of(new FoldPlan(top + 1, next + 1));
            }
            top = next;
        }
        return Optional.empty();
    }

    private static boolean isWasteful(long[] sizesBytes, int last) {
        long sum = 0;
        long largest = 0;
        for (int i = 0; i <= last; i++) {
            sum += sizesBytes[i];
            largest = Math.max(largest, sizesBytes[i]);
        }
        return last > 0 && sum > WASTEFUL_RATIO * largest;
    }

    private static int firstToMove(long[] sizesBytes, int last) {
        long newer = 0;
        for (int i = 0; i <= last; i++) {
            newer += Math.max(SMALL_BYTES, sizesBytes[i]);
        }
        for (int i = 0; i < last; i++) {
            long size = Math.max(SMALL_BYTES, sizesBytes[i]);
            newer -= size;
            if (size < STAYING_RATIO * newer) {
                return i;
            }
        }
        return last;
    }
}
