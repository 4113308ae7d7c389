package org.vmckpt.cow.block;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * A disk. Its size is fixed but for growing. Thread-safe: requests on different places run in
 * parallel; of two at one place that overlap in time either may come first.
 *
 * <p>Callers have checked the range; implementations check again and throw
 * IndexOutOfBoundsException. A failed system call is an {@link
 * org.vmckpt.cow.linux.ErrnoException}, from which a server takes ENOSPC; everything else that goes
 * wrong is an I/O error to the guest.
 */
public interface BlockDevice extends AutoCloseable {
    long size();

    /** Fills the buffer. */
    void read(ByteBuffer into, long offset) throws IOException;

    /** Writes all that remains in the buffer. It is durable after the next {@link #flush}. */
    void write(ByteBuffer from, long offset) throws IOException;

    /**
     * The range reads as zeros afterwards.
     *
     * @param mayUnmap whether its room may be given back, so that a later write may meet a full
     *     disk
     */
    void writeZeroes(long offset, long length, boolean mayUnmap) throws IOException;

    /**
     * Advice that nobody needs the range any more. It reads as zeros or as the old data afterwards,
     * never as what a backing file held before the guest wrote it.
     */
    void discard(long offset, long length) throws IOException;

    /** Whatever was completed before this call survives a crash of the host. */
    void flush() throws IOException;

    /** Tells what lies in a range, in ascending extents without gaps that end with the range. */
    void blockStatus(long offset, long length, ExtentVisitor visitor) throws IOException;

    @Override
    void close() throws IOException;
}
