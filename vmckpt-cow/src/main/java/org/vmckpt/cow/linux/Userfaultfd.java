package org.vmckpt.cow.linux;

/**
 * A userfaultfd: it write-protects ranges of one process's memory and reports the threads that
 * write there; they wait until the protection is lifted.
 *
 * <p>When the last descriptor is closed, also by the death of its holder, the kernel lifts every
 * protection and wakes every waiter. Methods named {@code try...} return 0 or a negative errno and
 * allocate nothing. Addresses are those of the process that the descriptor was made in.
 */
public final class Userfaultfd implements AutoCloseable {
    /** Answers of {@link #await}. */
    public enum Awaited {
        MESSAGE,
        WAKE_EVENT,
        BROKEN
    }

    private final Syscalls syscalls;
    private final Fd fd;
    private final long features;

    private Userfaultfd(Syscalls syscalls, Fd fd, long features) {
        this.syscalls = syscalls;
        this.fd = fd;
        this.features = features;
    }

    /** The feature bits that this kernel knows. */
    public static long kernelFeatures() throws ErrnoException {
        Syscalls syscalls = FfmSyscalls.INSTANCE;
        // User mode only needs no privilege, and the answer is the same.
        int flags = Abi.O_CLOEXEC | Abi.O_NONBLOCK | Abi.UFFD_USER_MODE_ONLY;
        long number = syscalls.userfaultfd(flags);
        ErrnoException.check(number, "userfaultfd", "our own process");
        try (Fd fd = new Fd(syscalls, (int) number)) {
            return handshake(syscalls, fd, 0);
        }
    }

    /** Whether this kernel write-protects shared memory (Linux 5.19 and later). */
    public static boolean protectsSharedMemory(long kernelFeatures) {
        return (kernelFeatures & Abi.UFFD_FEATURE_WP_HUGETLBFS_SHMEM) != 0;
    }

    /** Whether a kernel with these features protects pages that nobody has touched yet. */
    public static boolean protectsUnpopulatedMemory(long kernelFeatures) {
        return (kernelFeatures & Abi.UFFD_FEATURE_WP_UNPOPULATED) != 0;
    }

    /** Whether a kernel with these features can report discards. */
    public static boolean reportsDiscards(long kernelFeatures) {
        return (kernelFeatures & Abi.UFFD_FEATURE_EVENT_REMOVE) != 0;
    }

    /** Makes one over our own process. */
    public static Userfaultfd ofThisProcess() throws ErrnoException {
        long number = FfmSyscalls.INSTANCE.userfaultfd(CREATION_FLAGS);
        ErrnoException.check(number, "userfaultfd", "our own process");
        return adopt(new Fd(FfmSyscalls.INSTANCE, (int) number));
    }

    /**
     * The flags to make one with: not user mode only, because QEMU's system calls and KVM write
     * guest memory from inside the kernel.
     */
    static final int CREATION_FLAGS = Abi.O_CLOEXEC | Abi.O_NONBLOCK;

    /**
     * Takes over a fresh descriptor, whichever process made it; the descriptor is closed when that
     * fails.
     *
     * @throws ErrnoException EINVAL when it is in use already, or the kernel lacks a feature
     */
    public static Userfaultfd adopt(Fd fd) throws ErrnoException {
        try {
            long optional = Abi.UFFD_FEATURE_WP_UNPOPULATED | Abi.UFFD_FEATURE_EVENT_REMOVE;
            long required =
                    Abi.UFFD_FEATURE_PAGEFAULT_FLAG_WP | Abi.UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
            long wanted = required | (optional & kernelFeatures());
            handshake(FfmSyscalls.INSTANCE, fd, wanted);
            return new Userfaultfd(FfmSyscalls.INSTANCE, fd, wanted);
        } catch (ErrnoException failure) {
            fd.close();
            throw failure;
        }
    }

    /** Whether a descriptor was made but never put to use; it is in use from now on. */
    public static boolean isUnused(Fd fd) {
        try {
            handshake(FfmSyscalls.INSTANCE, fd, 0);
            return true;
        } catch (ErrnoException inUseOrNone) {
            return false;
        }
    }

    private static long handshake(Syscalls syscalls, Fd fd, long features) throws ErrnoException {
        Scratch scratch = Scratch.current();
        scratch.putLong(Abi.UFFDIO_API_API, Abi.UFFD_API);
        scratch.putLong(Abi.UFFDIO_API_FEATURES, features);
        scratch.putLong(Abi.UFFDIO_API_SIZE - Long.BYTES, 0);
        long result = syscalls.ioctl(fd.number(), Abi.UFFDIO_API, scratch.address());
        ErrnoException.check(
                result, "UFFDIO_API", "features 0x%x of a userfaultfd".formatted(features));
        return scratch.getLong(Abi.UFFDIO_API_FEATURES);
    }

    /** Whether discards by the process are reported while it waits. */
    public boolean reportsDiscards() {
        return reportsDiscards(features);
    }

    /**
     * Makes a range ready for protection; nothing is protected yet.
     *
     * @throws ErrnoException EBUSY when another userfaultfd has the range, EINVAL when its memory
     *     cannot be write-protected, ESRCH when the process is gone
     */
    public void register(long address, long length) throws ErrnoException {
        int result = tryRegister(address, length, Abi.UFFDIO_REGISTER_MODE_WP);
        ErrnoException.check(result, "UFFDIO_REGISTER", range(address, length));
    }

    private int tryRegister(long address, long length, long mode) {
        Scratch scratch = Scratch.current();
        scratch.putLong(Abi.UFFDIO_REGISTER_START, address);
        scratch.putLong(Abi.UFFDIO_REGISTER_LEN, length);
        scratch.putLong(Abi.UFFDIO_REGISTER_MODE, mode);
        scratch.putLong(Abi.UFFDIO_REGISTER_IOCTLS, 0);
        return retrying(Abi.UFFDIO_REGISTER, scratch.address());
    }

    /** Lifts all protection of a registered range and forgets it, also while a discard goes on. */
    public int tryUnregister(long address, long length) {
        int result = overRange(Abi.UFFDIO_UNREGISTER, address, length);
        // The kernel wakes those who wait for missing pages by itself, but not those who wait to
        // write, and after this nobody else could.
        tryWake(address, length);
        return result;
    }

    /**
     * Forgets a registered range of which nothing is protected any more. {@link #tryUnregister}
     * walks through all its pages and makes them read-only once more, so that the next write to
     * each costs a fault; a range that is only watched for missing pages is forgotten as it is.
     */
    public int tryForget(long address, long length) {
        // If it fails, unregistering still does its work, at that price. Who meets a missing page
        // between the two calls waits for the second.
        tryRegister(address, length, Abi.UFFDIO_REGISTER_MODE_MISSING);
        return tryUnregister(address, length);
    }

    /** Lets the waiters of a range try again; what is protected stays so. */
    public int tryWake(long address, long length) {
        return overRange(Abi.UFFDIO_WAKE, address, length);
    }

    private int overRange(long request, long address, long length) {
        Scratch scratch = Scratch.current();
        scratch.putLong(Abi.UFFDIO_RANGE_START, address);
        scratch.putLong(Abi.UFFDIO_RANGE_LEN, length);
        return retrying(request, scratch.address());
    }

    /** Protects a range against writes. -EAGAIN: the process is discarding memory just now. */
    public int tryProtect(long address, long length) {
        return writeProtect(address, length, Abi.UFFDIO_WRITEPROTECT_MODE_WP);
    }

    /** Lifts the protection of a range and wakes its waiters. -EAGAIN as in tryProtect. */
    public int tryLift(long address, long length) {
        return writeProtect(address, length, 0);
    }

    private int writeProtect(long address, long length, long mode) {
        Scratch scratch = Scratch.current();
        scratch.putLong(Abi.UFFDIO_WRITEPROTECT_START, address);
        scratch.putLong(Abi.UFFDIO_WRITEPROTECT_LEN, length);
        scratch.putLong(Abi.UFFDIO_WRITEPROTECT_MODE, mode);
        return retrying(Abi.UFFDIO_WRITEPROTECT, scratch.address());
    }

    private int retrying(long request, long argument) {
        long result;
        do {
            result = syscalls.ioctl(fd.number(), request, argument);
        } while (result == -Errno.EINTR);
        return (int) result;
    }

    /**
     * Takes the messages that are there.
     *
     * @return how many, 0 when there are none, or a negative errno
     */
    public int tryRead(UffdMessages messages) {
        long result;
        do {
            long size = (long) UffdMessages.CAPACITY * Abi.UFFD_MSG_SIZE;
            result = syscalls.read(fd.number(), messages.address(), size);
        } while (result == -Errno.EINTR);
        if (result == -Errno.EAGAIN) {
            return 0;
        }
        return (int) (result < 0 ? result : result / Abi.UFFD_MSG_SIZE);
    }

    /** Waits, without limit, until there is a message or {@code wake} is set. */
    public Awaited await(WakeEvent wake) {
        Scratch scratch = Scratch.current();
        putPollfd(scratch, 0, fd.number());
        putPollfd(scratch, Abi.POLLFD_SIZE, wake.fdNumber());
        long result;
        do {
            result = syscalls.poll(scratch.address(), 2, -1);
        } while (result == -Errno.EINTR || result == -Errno.EAGAIN);
        if (result < 0) {
            return Awaited.BROKEN;
        }
        short events = scratch.getShort(Abi.POLLFD_REVENTS);
        // A message goes first: a waiting vCPU matters more than the wish to stop.
        if ((events & Abi.POLLIN) != 0) {
            return Awaited.MESSAGE;
        }
        return events != 0 ? Awaited.BROKEN : Awaited.WAKE_EVENT;
    }

    private static void putPollfd(Scratch scratch, int offset, int number) {
        scratch.putInt(offset + Abi.POLLFD_FD, number);
        scratch.putShort(offset + Abi.POLLFD_EVENTS, Abi.POLLIN);
        scratch.putShort(offset + Abi.POLLFD_REVENTS, (short) 0);
    }

    private static String range(long address, long length) {
        return "0x%x-0x%x".formatted(address, address + length);
    }

    @Override
    public void close() {
        fd.close();
    }
}
