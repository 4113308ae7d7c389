package org.vmckpt.cow.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;

/**
 * A thread's own few hundred bytes of native memory, for the structs that a system call reads or
 * fills. It is used between filling a struct and reading the answer, never kept.
 */
final class Scratch {
    private static final int SIZE_BYTES = 512;
    private static final ThreadLocal<Scratch> CURRENT = ThreadLocal.withInitial(Scratch::new);

    // An automatic arena: freed when the thread and with it this object is gone.
    private final Arena arena = Arena.ofAuto();
    private final MemorySegment callState = arena.allocate(Linker.Option.captureStateLayout());
    private final MemorySegment memory = arena.allocate(SIZE_BYTES, Long.BYTES);

    static Scratch current() {
        return CURRENT.get();
    }

    MemorySegment callState() {
        return callState;
    }

    long address() {
        return memory.address();
    }

    void clear() {
        memory.fill((byte) 0);
    }

    void putLong(int offset, long value) {
        memory.set(JAVA_LONG, offset, value);
    }

    long getLong(int offset) {
        return memory.get(JAVA_LONG, offset);
    }

    void putInt(int offset, int value) {
        memory.set(JAVA_INT, offset, value);
    }

    int getInt(int offset) {
        return memory.get(JAVA_INT, offset);
    }

    void putShort(int offset, short value) {
        memory.set(JAVA_SHORT, offset, value);
    }

    short getShort(int offset) {
        return memory.get(JAVA_SHORT, offset);
    }

    void putByte(int offset, byte value) {
        memory.set(JAVA_BYTE, offset, value);
    }
}
