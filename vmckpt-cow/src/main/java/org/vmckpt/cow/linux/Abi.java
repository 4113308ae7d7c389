package org.vmckpt.cow.linux;

/** Numbers of the x86-64 Linux interface, in their C spelling. AbiTest checks them with gcc. */
final class Abi {
    static final int SYS_READ = 0;
    static final int SYS_WRITE = 1;
    static final int SYS_CLOSE = 3;
    static final int SYS_POLL = 7;
    static final int SYS_LSEEK = 8;
    static final int SYS_MMAP = 9;
    static final int SYS_MUNMAP = 11;
    static final int SYS_IOCTL = 16;
    static final int SYS_PREAD64 = 17;
    static final int SYS_PWRITE64 = 18;
    static final int SYS_MADVISE = 28;
    static final int SYS_SOCKET = 41;
    static final int SYS_CONNECT = 42;
    static final int SYS_GETSOCKOPT = 55;
    static final int SYS_WAIT4 = 61;
    static final int SYS_FCNTL = 72;
    static final int SYS_FDATASYNC = 75;
    static final int SYS_FTRUNCATE = 77;
    static final int SYS_PTRACE = 101;
    static final int SYS_STATFS = 137;
    static final int SYS_SETPRIORITY = 141;
    static final int SYS_GETTID = 186;
    static final int SYS_FUTEX = 202;
    static final int SYS_SCHED_SETAFFINITY = 203;
    static final int SYS_SCHED_GETAFFINITY = 204;
    static final int SYS_RESTART_SYSCALL = 219;
    static final int SYS_EPOLL_WAIT = 232;
    static final int SYS_KILL = 62;
    static final int SYS_TGKILL = 234;
    static final int SYS_OPENAT = 257;
    static final int SYS_PPOLL = 271;
    static final int SYS_EPOLL_PWAIT = 281;
    static final int SYS_FALLOCATE = 285;
    static final int SYS_EVENTFD2 = 290;
    static final int SYS_GETCPU = 309;
    static final int SYS_PROCESS_VM_WRITEV = 311;
    static final int SYS_MEMFD_CREATE = 319;
    static final int SYS_USERFAULTFD = 323;
    static final int SYS_PIDFD_OPEN = 434;
    static final int SYS_PIDFD_GETFD = 438;

    static final int AT_FDCWD = -100;
    static final int O_RDONLY = 0;
    static final int O_RDWR = 2;
    static final int O_NONBLOCK = 0x800;
    static final int O_CLOEXEC = 0x80000;
    static final int SEEK_END = 2;
    static final int SEEK_DATA = 3;
    static final int SEEK_HOLE = 4;
    static final int FALLOC_FL_KEEP_SIZE = 1;
    static final int FALLOC_FL_PUNCH_HOLE = 2;

    static final int F_OFD_GETLK = 36;
    static final int F_OFD_SETLK = 37;
    static final short F_RDLCK = 0;
    static final short F_WRLCK = 1;
    static final short F_UNLCK = 2;
    static final int FLOCK_SIZE = 32;
    static final int FLOCK_L_TYPE = 0;
    static final int FLOCK_L_START = 8;
    static final int FLOCK_L_LEN = 16;

    static final int PROT_READ = 1;
    static final int PROT_WRITE = 2;
    static final int MAP_SHARED = 1;
    static final int MAP_PRIVATE = 2;
    static final int MAP_ANONYMOUS = 0x20;
    static final int MAP_NORESERVE = 0x4000;
    static final int MADV_DONTNEED = 4;
    static final int MADV_REMOVE = 9;
    static final int MADV_HUGEPAGE = 14;
    static final int MADV_DONTDUMP = 16;
    static final int MADV_POPULATE_READ = 22;
    static final int MADV_POPULATE_WRITE = 23;
    static final int MFD_CLOEXEC = 1;
    static final int EFD_CLOEXEC = 0x80000;
    static final int EFD_NONBLOCK = 0x800;

    static final int STATFS_SIZE = 120;
    static final int STATFS_F_TYPE = 0;
    static final int STATFS_F_BSIZE = 8;
    static final long TMPFS_MAGIC = 0x01021994L;
    static final long HUGETLBFS_MAGIC = 0x958458F6L;

    static final int IOVEC_SIZE = 16;
    static final int IOVEC_BASE = 0;
    static final int IOVEC_LEN = 8;

    static final short POLLIN = 1;
    static final int POLLFD_SIZE = 8;
    static final int POLLFD_FD = 0;
    static final int POLLFD_EVENTS = 4;
    static final int POLLFD_REVENTS = 6;

    static final int PRIO_PROCESS = 0;
    static final int AF_UNIX = 1;
    static final int SOCK_STREAM = 1;
    static final int SOCK_DGRAM = 2;
    static final int SOCK_CLOEXEC = 0x80000;
    static final int SOCK_NONBLOCK = 0x800;
    static final int SOL_SOCKET = 1;
    static final int SO_PEERCRED = 17;
    static final int SOCKADDR_UN_SIZE = 110;
    static final int SOCKADDR_UN_PATH = 2;
    static final int UCRED_SIZE = 12;
    static final int UCRED_PID = 0;

    static final int PTRACE_PEEKTEXT = 1;
    static final int PTRACE_CONT = 7;
    static final int PTRACE_GETREGS = 12;
    static final int PTRACE_SETREGS = 13;
    static final int PTRACE_DETACH = 17;
    static final int PTRACE_SYSCALL = 24;
    static final int PTRACE_SEIZE = 0x4206;
    static final int PTRACE_INTERRUPT = 0x4207;
    static final int PTRACE_O_TRACESYSGOOD = 1;
    static final int PTRACE_EVENT_STOP = 128;
    static final int WNOHANG = 1;
    static final int __WALL = 0x40000000;
    static final int SIGTRAP = 5;
    static final int SIGKILL = 9;

    static final int USER_REGS_SIZE = 216;
    static final int USER_REGS_R10 = 56;
    static final int USER_REGS_R9 = 64;
    static final int USER_REGS_R8 = 72;
    static final int USER_REGS_RAX = 80;
    static final int USER_REGS_RDX = 96;
    static final int USER_REGS_RSI = 104;
    static final int USER_REGS_RDI = 112;
    static final int USER_REGS_ORIG_RAX = 120;
    static final int USER_REGS_RIP = 128;
    static final int USER_REGS_CS = 136;

    static final long UFFD_API = 0xAA;
    static final int UFFD_USER_MODE_ONLY = 1;
    static final long UFFDIO_API = 0xC018AA3FL;
    static final long UFFDIO_REGISTER = 0xC020AA00L;
    static final long UFFDIO_UNREGISTER = 0x8010AA01L;
    static final long UFFDIO_WAKE = 0x8010AA02L;
    static final long UFFDIO_WRITEPROTECT = 0xC018AA06L;
    static final long UFFDIO_REGISTER_MODE_WP = 2;
    static final long UFFDIO_WRITEPROTECT_MODE_WP = 1;
    static final long UFFD_FEATURE_PAGEFAULT_FLAG_WP = 1;
    static final long UFFD_FEATURE_EVENT_REMOVE = 1 << 3;
    static final long UFFD_FEATURE_WP_HUGETLBFS_SHMEM = 1 << 12;
    // Linux 6.4; older headers lack it.
    static final long UFFD_FEATURE_WP_UNPOPULATED = 1 << 13;
    static final int UFFD_EVENT_PAGEFAULT = 0x12;
    static final int UFFD_EVENT_REMOVE = 0x15;
    static final long UFFD_PAGEFAULT_FLAG_WP = 2;
    static final int UFFDIO_API_SIZE = 24;
    static final int UFFDIO_API_API = 0;
    static final int UFFDIO_API_FEATURES = 8;
    static final int UFFDIO_REGISTER_SIZE = 32;
    static final int UFFDIO_REGISTER_START = 0;
    static final int UFFDIO_REGISTER_LEN = 8;
    static final int UFFDIO_REGISTER_MODE = 16;
    static final int UFFDIO_REGISTER_IOCTLS = 24;
    static final int UFFDIO_RANGE_SIZE = 16;
    static final int UFFDIO_RANGE_START = 0;
    static final int UFFDIO_RANGE_LEN = 8;
    static final int UFFDIO_WRITEPROTECT_SIZE = 24;
    static final int UFFDIO_WRITEPROTECT_START = 0;
    static final int UFFDIO_WRITEPROTECT_LEN = 8;
    static final int UFFDIO_WRITEPROTECT_MODE = 16;
    static final int UFFD_MSG_SIZE = 32;
    static final int UFFD_MSG_EVENT = 0;
    static final int UFFD_MSG_PAGEFAULT_FLAGS = 8;
    static final int UFFD_MSG_PAGEFAULT_ADDRESS = 16;
    static final int UFFD_MSG_REMOVE_START = 8;
    static final int UFFD_MSG_REMOVE_END = 16;

    private Abi() {}
}
