package org.vmckpt.cow.linux;

/** The processes that a leader and its descendants are in, unless they left it. */
public final class ProcessGroup {
    private ProcessGroup() {}

    /** Kills all that are in the leader's group; does nothing when there is no such group. */
    public static void kill(long leader) {
        // 0 and 1 would be our own group, and everybody.
        if (leader > 1) {
            FfmSyscalls.INSTANCE.kill((int) -leader, Abi.SIGKILL);
        }
    }
}
