package org.vmckpt.cow.linux;

/**
 * The system calls that we make, shaped as in C: an address is a long, and the result is the call's
 * value or a negative errno. None retries; {@link FullIo} does.
 */
interface Syscalls {
    long read(int fd, long address, long count);

    long write(int fd, long address, long count);

    long pread(int fd, long address, long count, long offset);

    long pwrite(int fd, long address, long count, long offset);

    long lseek(int fd, long offset, int whence);

    long open(String path, int flags);

    long statfs(String path, long buffer);

    long close(int fd);

    long ioctl(int fd, long request, long argument);

    long poll(long pollfds, int count, int timeoutMillis);

    long mmap(long length, int protection, int flags, int fd);

    long munmap(long address, long length);

    long madvise(long address, long length, int advice);

    long eventfd(int flags);

    long memfdCreate(String name, int flags);

    long ftruncate(int fd, long length);

    long fallocate(int fd, int mode, long offset, long length);

    long fdatasync(int fd);

    long fcntl(int fd, int command, long argument);

    long userfaultfd(int flags);

    long pidfdOpen(int pid, int flags);

    long pidfdGetfd(int pidfd, int targetFd, int flags);

    /** With one iovec on each side. */
    long processVmWritev(int pid, long localIovec, long remoteIovec);

    long ptrace(int request, int tid, long address, long data);

    long wait4(int tid, long status, int options);

    long kill(int pid, int signal);

    long tgkill(int pid, int tid, int signal);

    long setpriority(int which, int who, int niceness);

    long gettid();

    long getcpu(long processor);

    long schedSetscheduler(int tid, int policy, long parameters);

    long schedGetaffinity(int tid, long maskBytes, long mask);

    long schedSetaffinity(int tid, long maskBytes, long mask);

    long socket(int domain, int type, int protocol);

    long connect(int fd, long address, int length);

    long getsockopt(int fd, int level, int option, long value, long length);
}
