package org.vmckpt.cow.memory;

/**
 * Finds writers that go through memory page by page, so that their next pages can be saved before
 * they come to them: one fault in place of many. Allocates nothing; for the fault thread.
 */
final class SequentialWrites {
    private static final int WRITERS = 8;
    private static final int MAX_PAGES = 16;

    private final long[] nextAddresses = new long[WRITERS];
    private final int[] pages = new int[WRITERS];
    private int last;
    private int oldest;

    /**
     * How many pages to save for a write to this one: 1, and twice as many each time it is where
     * the one before has ended.
     */
    int pagesFor(long address) {
        for (int i = 0; i < WRITERS; i++) {
            if (nextAddresses[i] == address) {
                last = i;
                pages[i] = Math.min(MAX_PAGES, pages[i] * 2);
                return pages[i];
            }
        }
        last = oldest;
        oldest = (oldest + 1) % WRITERS;
        pages[last] = 1;
        return 1;
    }

    /** What was saved after {@link #pagesFor} ends here. */
    void savedUpTo(long endAddress) {
        nextAddresses[last] = endAddress;
    }
}
