package org.vmckpt.testvm;

/** Where QEMU keeps the guest's memory. */
public enum GuestMemoryKind {
    /** A shared memfd: what vmckpt wants. */
    MEMFD,
    /** A shared file in the guest's folder. */
    FILE,
    /** A file in the guest's folder, mapped privately: writes never reach it. */
    PRIVATE_FILE,
    /** Plain {@code -m}: anonymous private memory, QEMU's default. */
    ANONYMOUS
}
