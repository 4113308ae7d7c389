package org.vmckpt.cow.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Memory outside the Java heap. Populated, the first use of a page costs no page fault. Its size
 * may pass 2 GiB; {@link #slice} gives views of parts of it.
 *
 * <p>Close it only after the threads that use it were joined: a later use of a view throws.
 */
public final class NativeBuffer implements AutoCloseable {
    private final Syscalls syscalls;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory;
    private final AtomicBoolean closed = new AtomicBoolean();

    private NativeBuffer(Syscalls syscalls, long address, long sizeBytes) {
        this.syscalls = syscalls;
        // Safe: the range was mapped by us just now and is unmapped only in close().
        this.memory = MemorySegment.ofAddress(address).reinterpret(sizeBytes, arena, null);
    }

    /**
     * Allocates zeroed, populated memory; in huge pages where the host has them to give.
     *
     * @throws ErrnoException ENOMEM when the host or our cgroup has not that much memory
     */
    public static NativeBuffer allocate(long sizeBytes) throws ErrnoException {
        NativeBuffer buffer = reserve(sizeBytes);
        try {
            buffer.populate(0, sizeBytes);
            return buffer;
        } catch (ErrnoException failure) {
            buffer.close();
            throw failure;
        }
    }

    /** Addresses alone: memory comes with {@link #populate}, or with the first use of each page. */
    public static NativeBuffer reserve(long sizeBytes) throws ErrnoException {
        Syscalls syscalls = FfmSyscalls.INSTANCE;
        String detail = sizeBytes + " bytes of buffer memory";
        int flags = Abi.MAP_PRIVATE | Abi.MAP_ANONYMOUS | Abi.MAP_NORESERVE;
        NativeBuffer buffer = map(syscalls, sizeBytes, flags, -1, detail);
        // Advice only: without huge pages the buffer works as well, and it holds guest secrets.
        syscalls.madvise(buffer.address(), sizeBytes, Abi.MADV_HUGEPAGE);
        syscalls.madvise(buffer.address(), sizeBytes, Abi.MADV_DONTDUMP);
        return buffer;
    }

    /**
     * Has memory ready behind a part that nobody uses yet; what it holds is lost.
     *
     * @throws ErrnoException ENOMEM when the host or our cgroup has not that much memory
     */
    public void populate(long offset, long length) throws ErrnoException {
        long populated = syscalls.madvise(address() + offset, length, Abi.MADV_POPULATE_WRITE);
        if (populated == -Errno.EINVAL) {
            // Before Linux 5.14: touch it ourselves.
            memory.asSlice(offset, length).fill((byte) 0);
        } else if (populated < 0) {
            throw new ErrnoException(
                    "MADV_POPULATE_WRITE", (int) -populated, length + " bytes of buffer memory");
        }
    }

    /** Gives the memory behind a part back; the addresses stay. Advice: it cannot fail. */
    public void release(long offset, long length) {
        syscalls.madvise(address() + offset, length, Abi.MADV_DONTNEED);
    }

    /** Maps a file shared and writable: what one side writes the other sees. */
    static NativeBuffer mapShared(Syscalls syscalls, Fd file, long sizeBytes)
            throws ErrnoException {
        return map(syscalls, sizeBytes, Abi.MAP_SHARED, file.number(), "a file of ours");
    }

    private static NativeBuffer map(
            Syscalls syscalls, long sizeBytes, int flags, int fd, String detail)
            throws ErrnoException {
        int protection = Abi.PROT_READ | Abi.PROT_WRITE;
        long address =
                ErrnoException.check(
                        syscalls.mmap(sizeBytes, protection, flags, fd), "mmap", detail);
        return new NativeBuffer(syscalls, address, sizeBytes);
    }

    /** Gives the pages of a part back to the kernel, and with them those of a mapped file. */
    public void discard(long offset, long length) throws ErrnoException {
        long result = syscalls.madvise(address() + offset, length, Abi.MADV_REMOVE);
        ErrnoException.check(result, "MADV_REMOVE", length + " bytes of a mapping");
    }

    public long address() {
        return memory.address();
    }

    public long sizeBytes() {
        return memory.byteSize();
    }

    /** A view of part of the buffer, in native byte order. */
    public ByteBuffer slice(long offset, int length) {
        return memory.asSlice(offset, length).asByteBuffer().order(ByteOrder.nativeOrder());
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            long address = memory.address();
            long sizeBytes = memory.byteSize();
            arena.close();
            syscalls.munmap(address, sizeBytes);
        }
    }
}
