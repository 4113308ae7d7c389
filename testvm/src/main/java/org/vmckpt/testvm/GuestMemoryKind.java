package org.vmckpt.testvm;

/** Where QEMU keeps the guest's memory. */
public enum GuestMemoryKind {
    /** A shared memfd: what vmckpt wants. */
    MEMFD,
    /** A shared memfd in huge pages of 2 MiB, which the host must have reserved. */
    HUGE_MEMFD,
    /**
     * A shared file in the guest's folder or the one for memory; only one on tmpfs or hugetlbfs can
     * be checkpointed.
     */
    FILE,
    /** A file in the guest's folder, mapped privately: writes never reach it. */
    PRIVATE_FILE,
    /** Plain {@code -m}: anonymous private memory, QEMU's default. */
    ANONYMOUS;

    private static final String VARIABLE = "VMCKPT_TEST_MEMORY";

    /** For guests that do not care: a memfd, unless the environment says otherwise. */
    static GuestMemoryKind usual() {
        String wanted = System.getenv(VARIABLE);
        return switch (wanted) {
            case null -> MEMFD;
            case "", "memfd" -> MEMFD;
            case "file" -> FILE;
            default ->
                    throw new IllegalArgumentException(
                            "%s=%s: expected memfd or file".formatted(VARIABLE, wanted));
        };
    }
}
