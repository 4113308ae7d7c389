package org.vmckpt.cow.linux;

import java.nio.ByteBuffer;
import java.nio.file.Path;

/**
 * The file behind guest memory, as QEMU maps it. Reading it through the descriptor neither faults
 * in QEMU nor fills a hole, which reading through a mapping would do.
 *
 * <p>All methods may be called from several threads; offsets are in bytes from the file's start.
 */
public final class GuestFile extends OpenFile {
    GuestFile(Syscalls syscalls, Fd fd, String name) {
        super(syscalls, fd, name);
    }

    /**
     * Opens {@code /proc/PID/map_files/START-END} or {@code /proc/PID/fd/N} for reading.
     *
     * @throws ErrnoException EPERM or EACCES without CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE,
     *     ENOENT when the mapping or the process is gone
     */
    public static GuestFile openForReading(Path path) throws ErrnoException {
        return new GuestFile(FfmSyscalls.INSTANCE, open(path, Abi.O_RDONLY), path.toString());
    }

    /** As {@link #openForReading}, for filling a guest's memory too. */
    public static GuestFile openForWriting(Path path) throws ErrnoException {
        return new GuestFile(FfmSyscalls.INSTANCE, open(path, Abi.O_RDWR), path.toString());
    }

    /** Creates an unnamed file in memory that only we know, of {@code sizeBytes} of holes. */
    public static GuestFile createInMemory(String name, long sizeBytes) throws ErrnoException {
        Syscalls syscalls = FfmSyscalls.INSTANCE;
        long number = syscalls.memfdCreate(name, Abi.MFD_CLOEXEC);
        Fd fd = new Fd(syscalls, (int) ErrnoException.check(number, "memfd_create", name));
        long result = syscalls.ftruncate(fd.number(), sizeBytes);
        if (result < 0) {
            fd.close();
            throw new ErrnoException("ftruncate", (int) -result, name);
        }
        return new GuestFile(syscalls, fd, name);
    }

    /** Maps the file's first {@code sizeBytes} bytes into our own process, shared and writable. */
    public NativeBuffer map(long sizeBytes) throws ErrnoException {
        return NativeBuffer.mapShared(syscalls, fd, sizeBytes);
    }

    /** Maps the file's first {@code sizeBytes} bytes into our own process, for reading. */
    public GuestView view(long sizeBytes) throws ErrnoException {
        return GuestView.map(syscalls, fd, sizeBytes, name);
    }

    /** A path by which our own process, and it alone, can open the file again. */
    public Path procPath() {
        return Path.of("/proc/self/fd/" + fd.number());
    }

    /**
     * Reads into native memory. Allocates nothing.
     *
     * @return bytes read, fewer than {@code count} only at the end of the file, or a negative errno
     */
    public long pread(long address, long count, long offset) {
        return FullIo.pread(syscalls, fd.number(), address, count, offset);
    }

    /** Reads into a buffer from its position on; stops at its limit or at the end of the file. */
    public int pread(ByteBuffer target, long offset) throws ErrnoException {
        return DirectAccess.transfer(
                target, true, (address, count) -> readAt(address, count, offset));
    }

    /** Writes all of a buffer's remaining bytes. */
    public void pwrite(ByteBuffer source, long offset) throws ErrnoException {
        DirectAccess.transfer(source, false, (address, count) -> writeAt(address, count, offset));
    }
}
