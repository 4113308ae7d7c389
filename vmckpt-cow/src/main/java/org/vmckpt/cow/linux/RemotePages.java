package org.vmckpt.cow.linux;

/** Pages of another process's memory. */
public final class RemotePages {
    // The kernel maps nothing there (vm.mmap_min_addr).
    private static final long NOWHERE = 0;

    private RemotePages() {}

    /**
     * Has the kernel take the pages of a range for writing, with the faults of a write by the
     * process itself, and write nothing: process_vm_writev takes pages first, those of 2 MiB at
     * once on Linux 6.18, and then finds nothing to copy from. Waits, inside the kernel, for
     * whoever serves these faults.
     *
     * @return 0, or a negative errno; also 0 where nothing is mapped
     */
    public static int tryFault(long pid, long address, long length) {
        Scratch scratch = Scratch.current();
        putIovec(scratch, 0, NOWHERE, length);
        putIovec(scratch, Abi.IOVEC_SIZE, address, length);
        long result =
                FfmSyscalls.INSTANCE.processVmWritev(
                        (int) pid, scratch.address(), scratch.address() + Abi.IOVEC_SIZE);
        return result == -Errno.EFAULT ? 0 : (int) result;
    }

    private static void putIovec(Scratch scratch, int offset, long address, long length) {
        scratch.putLong(offset + Abi.IOVEC_BASE, address);
        scratch.putLong(offset + Abi.IOVEC_LEN, length);
    }
}
