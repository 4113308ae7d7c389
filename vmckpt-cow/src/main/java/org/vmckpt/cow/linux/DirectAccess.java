package org.vmckpt.cow.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/** Hands a buffer's memory to a system call, by way of a copy when it lies in the Java heap. */
final class DirectAccess {
    /** A read or write of {@code count} bytes at a native address; returns the bytes moved. */
    interface Transfer {
        long move(long address, long count) throws ErrnoException;
    }

    private DirectAccess() {}

    /** Moves from position to limit and advances the position by what was moved. */
    static int transfer(ByteBuffer buffer, boolean fillsBuffer, Transfer transfer)
            throws ErrnoException {
        int moved;
        MemorySegment memory = MemorySegment.ofBuffer(buffer);
        if (buffer.isDirect()) {
            moved = (int) transfer.move(memory.address(), buffer.remaining());
        } else {
            moved = transferCopy(memory, fillsBuffer, transfer);
        }
        buffer.position(buffer.position() + moved);
        return moved;
    }

    private static int transferCopy(MemorySegment heap, boolean fillsBuffer, Transfer transfer)
            throws ErrnoException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment copy = arena.allocate(Math.max(1, heap.byteSize()));
            if (!fillsBuffer) {
                MemorySegment.copy(heap, 0, copy, 0, heap.byteSize());
            }
            long moved = transfer.move(copy.address(), heap.byteSize());
            if (fillsBuffer) {
                MemorySegment.copy(copy, 0, heap, 0, moved);
            }
            return (int) moved;
        }
    }
}
