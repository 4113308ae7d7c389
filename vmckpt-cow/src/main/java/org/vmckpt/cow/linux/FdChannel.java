package org.vmckpt.cow.linux;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ReadableByteChannel;

/**
 * Reads from a descriptor that came from another process. One thread reads and closes; any other
 * may {@link #stop} it.
 */
public final class FdChannel implements ReadableByteChannel {
    /** How long a stop may go unnoticed by a reader that waits. */
    private static final int LOOK_MILLIS = 100;

    private final Syscalls syscalls = FfmSyscalls.INSTANCE;
    private final Fd fd;
    private volatile boolean stopped;
    private boolean open = true;

    public FdChannel(Fd fd) {
        this.fd = fd;
    }

    /** Waits for some bytes; only into a direct buffer. */
    @Override
    public int read(ByteBuffer into) throws IOException {
        if (!into.isDirect()) {
            throw new IllegalArgumentException("a buffer on the heap may move while it is filled");
        }
        // Safe: the buffer is held by our caller, and its memory does not move.
        long address = MemorySegment.ofBuffer(into).address();
        while (true) {
            awaitReadable();
            long count = syscalls.read(fd.number(), address, into.remaining());
            if (count >= 0) {
                into.position(into.position() + (int) count);
                return count == 0 ? -1 : (int) count;
            }
            if (count != -Errno.EINTR && count != -Errno.EAGAIN) {
                throw new ErrnoException("read", (int) -count, "a socket");
            }
        }
    }

    private void awaitReadable() throws AsynchronousCloseException {
        Scratch scratch = Scratch.current();
        long ready = 0;
        while (ready <= 0) {
            if (stopped) {
                throw new AsynchronousCloseException();
            }
            scratch.clear();
            scratch.putInt(Abi.POLLFD_FD, fd.number());
            scratch.putShort(Abi.POLLFD_EVENTS, Abi.POLLIN);
            ready = syscalls.poll(scratch.address(), 1, LOOK_MILLIS);
        }
    }

    @Override
    public boolean isOpen() {
        return open;
    }

    /** Ends a read that waits, and all later ones. */
    public void stop() {
        stopped = true;
    }

    @Override
    public void close() {
        open = false;
        fd.close();
    }
}
