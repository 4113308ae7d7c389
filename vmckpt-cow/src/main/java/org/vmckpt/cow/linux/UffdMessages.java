package org.vmckpt.cow.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Room for a batch of messages from a userfaultfd. One thread uses it. Reading allocates nothing.
 */
public final class UffdMessages {
    /** More than a guest has vCPUs in flight, as a rule; the rest comes with the next read. */
    static final int CAPACITY = 64;

    private final Arena arena = Arena.ofAuto();
    private final MemorySegment memory =
            arena.allocate((long) CAPACITY * Abi.UFFD_MSG_SIZE, Long.BYTES);

    long address() {
        return memory.address();
    }

    /** Whether message {@code index} reports a write to a protected page. */
    public boolean isWriteFault(int index) {
        return event(index) == Abi.UFFD_EVENT_PAGEFAULT
                && (getLong(index, Abi.UFFD_MSG_PAGEFAULT_FLAGS) & Abi.UFFD_PAGEFAULT_FLAG_WP) != 0;
    }

    /** The address that the faulting thread wrote to, rounded down to its page. */
    public long faultAddress(int index) {
        return getLong(index, Abi.UFFD_MSG_PAGEFAULT_ADDRESS);
    }

    /** Whether message {@code index} says that the process discards part of its memory. */
    public boolean isRemove(int index) {
        return event(index) == Abi.UFFD_EVENT_REMOVE;
    }

    public long removeStart(int index) {
        return getLong(index, Abi.UFFD_MSG_REMOVE_START);
    }

    public long removeEnd(int index) {
        return getLong(index, Abi.UFFD_MSG_REMOVE_END);
    }

    /** The kernel's number of the event, for messages about one that was not asked for. */
    public int event(int index) {
        return memory.get(JAVA_BYTE, (long) index * Abi.UFFD_MSG_SIZE + Abi.UFFD_MSG_EVENT);
    }

    private long getLong(int index, int field) {
        return memory.get(JAVA_LONG, (long) index * Abi.UFFD_MSG_SIZE + field);
    }
}
