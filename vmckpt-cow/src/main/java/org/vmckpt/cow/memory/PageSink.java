package org.vmckpt.cow.memory;

import java.nio.ByteBuffer;
import org.vmckpt.core.VmckptException;

/**
 * Takes the original pages of a capture. Called from several threads at once; every page of every
 * region comes exactly once, in no order. If it throws, the capture fails with what it threw.
 */
public interface PageSink {
    /**
     * Takes pages. Some may hold only zeros.
     *
     * @param region the region's index in the list given to the capture
     * @param pages page numbers within the region; the first {@code count} count
     * @param data {@code count} pages in the same order; valid, like {@code pages}, during the call
     */
    void write(int region, long[] pages, int count, ByteBuffer data) throws VmckptException;

    /** Takes a run of pages that were never written: holes of the memory file, all zeros. */
    void writeZeros(int region, long firstPage, long pageCount) throws VmckptException;

    /** Whether it is more urgent to have pages taken than to have them small. */
    default void hurry(boolean urgent) {}
}
