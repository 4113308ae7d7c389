package org.vmckpt.cow.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * The system calls through one downcall to libc's {@code syscall(2)}.
 *
 * <p>One handle for all of them, so that whatever the program has called before has also warmed the
 * fault path. Pointers travel as longs: a downcall then allocates nothing and pins no arena.
 */
final class FfmSyscalls implements Syscalls {
    static final Syscalls INSTANCE = new FfmSyscalls();

    private static final long ERRNO_OFFSET =
            Linker.Option.captureStateLayout().byteOffset(PathElement.groupElement("errno"));

    private static final MethodHandle SYSCALL =
            Linker.nativeLinker()
                    .downcallHandle(
                            Linker.nativeLinker().defaultLookup().findOrThrow("syscall"),
                            FunctionDescriptor.of(
                                    JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                                    JAVA_LONG, JAVA_LONG, JAVA_LONG),
                            Linker.Option.captureCallState("errno"));

    private FfmSyscalls() {}

    private static long call(long number, long a, long b, long c) {
        return call(number, a, b, c, 0, 0, 0);
    }

    private static long call(long number, long a, long b, long c, long d, long e, long f) {
        MemorySegment state = Scratch.current().callState();
        try {
            long result = (long) SYSCALL.invokeExact(state, number, a, b, c, d, e, f);
            return result == -1 ? -state.get(JAVA_INT, ERRNO_OFFSET) : result;
        } catch (Throwable impossible) {
            // A downcall of plain integers has no exception of its own.
            throw new AssertionError("system call " + number, impossible);
        }
    }

    private static long callWithPath(long number, long before, String path, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            long address = arena.allocateFrom(path).address();
            return before == NO_DIRECTORY
                    ? call(number, address, flags, 0)
                    : call(number, before, address, flags);
        }
    }

    private static final long NO_DIRECTORY = Long.MIN_VALUE;

    @Override
    public long read(int fd, long address, long count) {
        return call(Abi.SYS_READ, fd, address, count);
    }

    @Override
    public long write(int fd, long address, long count) {
        return call(Abi.SYS_WRITE, fd, address, count);
    }

    @Override
    public long pread(int fd, long address, long count, long offset) {
        return call(Abi.SYS_PREAD64, fd, address, count, offset, 0, 0);
    }

    @Override
    public long pwrite(int fd, long address, long count, long offset) {
        return call(Abi.SYS_PWRITE64, fd, address, count, offset, 0, 0);
    }

    @Override
    public long lseek(int fd, long offset, int whence) {
        return call(Abi.SYS_LSEEK, fd, offset, whence);
    }

    @Override
    public long open(String path, int flags) {
        return callWithPath(Abi.SYS_OPENAT, Abi.AT_FDCWD, path, flags);
    }

    @Override
    public long statfs(String path, long buffer) {
        try (Arena arena = Arena.ofConfined()) {
            return call(Abi.SYS_STATFS, arena.allocateFrom(path).address(), buffer, 0);
        }
    }

    @Override
    public long close(int fd) {
        return call(Abi.SYS_CLOSE, fd, 0, 0);
    }

    @Override
    public long ioctl(int fd, long request, long argument) {
        return call(Abi.SYS_IOCTL, fd, request, argument);
    }

    @Override
    public long poll(long pollfds, int count, int timeoutMillis) {
        return call(Abi.SYS_POLL, pollfds, count, timeoutMillis);
    }

    @Override
    public long mmap(long length, int protection, int flags, int fd) {
        return call(Abi.SYS_MMAP, 0, length, protection, flags, fd, 0);
    }

    @Override
    public long munmap(long address, long length) {
        return call(Abi.SYS_MUNMAP, address, length, 0);
    }

    @Override
    public long madvise(long address, long length, int advice) {
        return call(Abi.SYS_MADVISE, address, length, advice);
    }

    @Override
    public long eventfd(int flags) {
        return call(Abi.SYS_EVENTFD2, 0, flags, 0);
    }

    @Override
    public long memfdCreate(String name, int flags) {
        return callWithPath(Abi.SYS_MEMFD_CREATE, NO_DIRECTORY, name, flags);
    }

    @Override
    public long ftruncate(int fd, long length) {
        return call(Abi.SYS_FTRUNCATE, fd, length, 0);
    }

    @Override
    public long fallocate(int fd, int mode, long offset, long length) {
        return call(Abi.SYS_FALLOCATE, fd, mode, offset, length, 0, 0);
    }

    @Override
    public long fdatasync(int fd) {
        return call(Abi.SYS_FDATASYNC, fd, 0, 0);
    }

    @Override
    public long fcntl(int fd, int command, long argument) {
        return call(Abi.SYS_FCNTL, fd, command, argument);
    }

    @Override
    public long userfaultfd(int flags) {
        return call(Abi.SYS_USERFAULTFD, flags, 0, 0);
    }

    @Override
    public long pidfdOpen(int pid, int flags) {
        return call(Abi.SYS_PIDFD_OPEN, pid, flags, 0);
    }

    @Override
    public long pidfdGetfd(int pidfd, int targetFd, int flags) {
        return call(Abi.SYS_PIDFD_GETFD, pidfd, targetFd, flags);
    }

    @Override
    public long processVmWritev(int pid, long localIovec, long remoteIovec) {
        return call(Abi.SYS_PROCESS_VM_WRITEV, pid, localIovec, 1, remoteIovec, 1, 0);
    }

    @Override
    public long ptrace(int request, int tid, long address, long data) {
        return call(Abi.SYS_PTRACE, request, tid, address, data, 0, 0);
    }

    @Override
    public long wait4(int tid, long status, int options) {
        return call(Abi.SYS_WAIT4, tid, status, options, 0, 0, 0);
    }

    @Override
    public long kill(int pid, int signal) {
        return call(Abi.SYS_KILL, pid, signal, 0);
    }

    @Override
    public long tgkill(int pid, int tid, int signal) {
        return call(Abi.SYS_TGKILL, pid, tid, signal);
    }

    @Override
    public long setpriority(int which, int who, int niceness) {
        return call(Abi.SYS_SETPRIORITY, which, who, niceness);
    }

    @Override
    public long gettid() {
        return call(Abi.SYS_GETTID, 0, 0, 0);
    }

    @Override
    public long getcpu(long processor) {
        return call(Abi.SYS_GETCPU, processor, 0, 0);
    }

    @Override
    public long schedSetscheduler(int tid, int policy, long parameters) {
        return call(Abi.SYS_SCHED_SETSCHEDULER, tid, policy, parameters);
    }

    @Override
    public long schedGetaffinity(int tid, long maskBytes, long mask) {
        return call(Abi.SYS_SCHED_GETAFFINITY, tid, maskBytes, mask);
    }

    @Override
    public long schedSetaffinity(int tid, long maskBytes, long mask) {
        return call(Abi.SYS_SCHED_SETAFFINITY, tid, maskBytes, mask);
    }

    @Override
    public long socket(int domain, int type, int protocol) {
        return call(Abi.SYS_SOCKET, domain, type, protocol);
    }

    @Override
    public long connect(int fd, long address, int length) {
        return call(Abi.SYS_CONNECT, fd, address, length);
    }

    @Override
    public long getsockopt(int fd, int level, int option, long value, long length) {
        return call(Abi.SYS_GETSOCKOPT, fd, level, option, value, length, 0);
    }
}
