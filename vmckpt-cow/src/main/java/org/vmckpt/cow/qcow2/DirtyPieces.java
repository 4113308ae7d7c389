package org.vmckpt.cow.qcow2;

import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.List;

/** Which pieces of a metadata cluster in memory differ from the file. Its owner guards it. */
final class DirtyPieces {
    private static final int PIECE_BITS = 12;

    private final int sizeBytes;
    private final BitSet pieces = new BitSet();

    DirtyPieces(int sizeBytes) {
        this.sizeBytes = sizeBytes;
    }

    /** How a piece of the owner's memory looks in the file. */
    interface Encoder {
        void encode(int fromByte, ByteBuffer into);
    }

    void mark(int atByte) {
        pieces.set(atByte >>> PIECE_BITS);
    }

    void markAll() {
        pieces.set(0, Math.ceilDiv(sizeBytes, 1 << PIECE_BITS));
    }

    boolean isEmpty() {
        return pieces.isEmpty();
    }

    /** Copies all dirty pieces and forgets them. */
    void take(long host, Encoder encoder, List<MetadataWrite> writes) {
        for (int from = pieces.nextSetBit(0); from >= 0; from = pieces.nextSetBit(from)) {
            int to = pieces.nextClearBit(from);
            int start = from << PIECE_BITS;
            ByteBuffer bytes = ByteBuffer.allocate(Math.min(to << PIECE_BITS, sizeBytes) - start);
            encoder.encode(start, bytes);
            writes.add(new MetadataWrite(host + start, bytes.clear()));
            from = to;
        }
        pieces.clear();
    }
}
