package org.vmckpt.cow.linux;

/** The scheduler's view of a platform thread of ours. */
public final class ThreadPriority {
    private ThreadPriority() {}

    /**
     * Sets the niceness (-20 first to 19 last) of the calling thread, if we are allowed to: without
     * the privilege it can only be raised.
     */
    public static boolean trySetNicenessOfThisThread(int niceness) {
        return FfmSyscalls.INSTANCE.setpriority(Abi.PRIO_PROCESS, 0, niceness) == 0;
    }
}
