package org.vmckpt.cow.linux;

/** A page of another process's memory. */
public final class RemotePage {
    // The kernel maps nothing there (vm.mmap_min_addr).
    private static final long NOWHERE = 0;

    private RemotePage() {}

    /**
     * Has the kernel take a page for writing, with the faults of a write by the process itself, and
     * write nothing: process_vm_writev takes the page first and then finds nothing to copy from.
     * Waits, inside the kernel, for whoever serves these faults.
     *
     * @return 0, or a negative errno; also 0 where nothing is mapped
     */
    public static int tryFault(long pid, long address) {
        Scratch scratch = Scratch.current();
        putIovec(scratch, 0, NOWHERE);
        putIovec(scratch, Abi.IOVEC_SIZE, address);
        long result =
                FfmSyscalls.INSTANCE.processVmWritev(
                        (int) pid, scratch.address(), scratch.address() + Abi.IOVEC_SIZE);
        return result == -Errno.EFAULT ? 0 : (int) result;
    }

    private static void putIovec(Scratch scratch, int offset, long address) {
        scratch.putLong(offset + Abi.IOVEC_BASE, address);
        scratch.putLong(offset + Abi.IOVEC_LEN, 1);
    }
}
