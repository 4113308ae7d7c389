package org.vmckpt.cow.linux;

import java.nio.file.Path;

/** An open file, whose reads and writes are complete. Offsets are in bytes from its start. */
abstract sealed class OpenFile implements AutoCloseable permits GuestFile, HostFile {
    final Syscalls syscalls;
    final Fd fd;
    final String name;

    OpenFile(Syscalls syscalls, Fd fd, String name) {
        this.syscalls = syscalls;
        this.fd = fd;
        this.name = name;
    }

    static Fd open(Path path, int flags) throws ErrnoException {
        Syscalls syscalls = FfmSyscalls.INSTANCE;
        long number = syscalls.open(path.toString(), flags | Abi.O_CLOEXEC);
        ErrnoException.check(number, "open", path.toString());
        return new Fd(syscalls, (int) number);
    }

    /** Returns bytes read; fewer than {@code count} only at the end of the file. */
    final long readAt(long address, long count, long offset) throws ErrnoException {
        long result = FullIo.pread(syscalls, fd.number(), address, count, offset);
        return ErrnoException.check(result, "pread", name);
    }

    final long writeAt(long address, long count, long offset) throws ErrnoException {
        long result = FullIo.pwrite(syscalls, fd.number(), address, count, offset);
        return ErrnoException.check(result, "pwrite", name);
    }

    /**
     * The first byte at or after {@code offset} that is not in a hole; -1 when only holes follow.
     */
    public final long nextData(long offset) throws ErrnoException {
        return seek(offset, Abi.SEEK_DATA);
    }

    /**
     * The first byte at or after {@code offset} in a hole; the file's end counts as one; -1 past
     * it.
     */
    public final long nextHole(long offset) throws ErrnoException {
        return seek(offset, Abi.SEEK_HOLE);
    }

    private long seek(long offset, int whence) throws ErrnoException {
        long result = syscalls.lseek(fd.number(), offset, whence);
        return result == -Errno.ENXIO ? -1 : ErrnoException.check(result, "lseek", name);
    }

    @Override
    public final void close() {
        fd.close();
    }
}
