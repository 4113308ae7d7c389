package org.vmckpt.cow.linux;

import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/**
 * A file of the host that holds a disk. Unlike a FileChannel it stays open when a thread that uses
 * it is interrupted, takes no lock of its own, and moves a direct buffer's bytes with no copy.
 *
 * <p>All methods may be called from several threads; offsets are in bytes from the file's start.
 * Reads and writes block in the kernel: call them on platform threads.
 */
public final class HostFile extends OpenFile {
    private HostFile(Path path, int flags) throws ErrnoException {
        super(FfmSyscalls.INSTANCE, open(path, flags), path.toString());
    }

    public static HostFile openForReading(Path path) throws ErrnoException {
        return new HostFile(path, Abi.O_RDONLY);
    }

    public static HostFile openForWriting(Path path) throws ErrnoException {
        return new HostFile(path, Abi.O_RDWR);
    }

    /** Reads from the buffer's position on; stops at its limit or at the end of the file. */
    public int read(ByteBuffer into, long offset) throws ErrnoException {
        return into.isDirect()
                ? readDirect(into, offset)
                : DirectAccess.transfer(
                        into, true, (address, count) -> readAt(address, count, offset));
    }

    private int readDirect(ByteBuffer into, long offset) throws ErrnoException {
        try {
            // Safe: the buffer is reachable until the fence, and its memory does not move.
            long address = MemorySegment.ofBuffer(into).address();
            int count = (int) readAt(address, into.remaining(), offset);
            into.position(into.position() + count);
            return count;
        } finally {
            Reference.reachabilityFence(into);
        }
    }

    /** Writes all of a buffer's remaining bytes; the file grows where needed. */
    public void write(ByteBuffer from, long offset) throws ErrnoException {
        if (from.isDirect()) {
            writeDirect(from, offset);
        } else {
            DirectAccess.transfer(from, false, (address, count) -> writeAt(address, count, offset));
        }
    }

    private void writeDirect(ByteBuffer from, long offset) throws ErrnoException {
        try {
            // Safe: as in readDirect.
            writeAt(MemorySegment.ofBuffer(from).address(), from.remaining(), offset);
            from.position(from.limit());
        } finally {
            Reference.reachabilityFence(from);
        }
    }

    /**
     * Makes a hole, which reads as zeros and takes no room; the file's size stays.
     *
     * @return false if the file system knows no holes: nothing was done
     */
    public boolean punchHole(long offset, long length) throws ErrnoException {
        int mode = Abi.FALLOC_FL_PUNCH_HOLE | Abi.FALLOC_FL_KEEP_SIZE;
        long result;
        do {
            result = syscalls.fallocate(fd.number(), mode, offset, length);
        } while (result == -Errno.EINTR);
        if (result == -Errno.EOPNOTSUPP) {
            return false;
        }
        ErrnoException.check(result, "fallocate", name);
        return true;
    }

    /** Returns once all that was written before is on stable storage, with what finds it again. */
    public void sync() throws ErrnoException {
        long result;
        do {
            result = syscalls.fdatasync(fd.number());
        } while (result == -Errno.EINTR);
        ErrnoException.check(result, "fdatasync", name);
    }

    public long size() throws ErrnoException {
        return ErrnoException.check(syscalls.lseek(fd.number(), 0, Abi.SEEK_END), "lseek", name);
    }

    /** Cuts the file, or lets it end in a hole. */
    public void resize(long bytes) throws ErrnoException {
        ErrnoException.check(syscalls.ftruncate(fd.number(), bytes), "ftruncate", name);
    }
}
