package org.vmckpt.cow.linux;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/**
 * Threads of ours that run for a moment only where nobody else wants to (SCHED_IDLE). A thread that
 * is merely nice keeps its processor for itself as long as another one is free for a while: whoever
 * is woken then waits behind others, and not on the processor of the nice one.
 *
 * <p>For moments alone: on a busy host such a thread stands still, maybe with a lock.
 */
public final class IdleThreads {
    private final List<Integer> threads;
    private boolean idle;

    private IdleThreads(List<Integer> threads) {
        this.threads = threads;
    }

    /**
     * Those that the kernel knows by these names now, if it would let us take back what {@link
     * #begin} does.
     *
     * @param niceness what they have
     */
    public static IdleThreads named(Collection<String> names, int niceness) {
        List<Integer> threads = new ArrayList<>();
        for (int tid : ThreadPriority.threadsOfThisProcess(names::contains)) {
            Syscalls syscalls = FfmSyscalls.INSTANCE;
            // Less nice it can only be made with the right that ends the idleness, too.
            if (syscalls.setpriority(Abi.PRIO_PROCESS, tid, niceness - 1) == 0
                    && syscalls.setpriority(Abi.PRIO_PROCESS, tid, niceness) == 0) {
                threads.add(tid);
            }
        }
        return new IdleThreads(threads);
    }

    public void begin() {
        idle = true;
        set(Abi.SCHED_IDLE);
    }

    /** They are as before. Twice is harmless. */
    public void end() {
        if (idle) {
            idle = false;
            set(Abi.SCHED_OTHER);
        }
    }

    private void set(int policy) {
        Scratch scratch = Scratch.current();
        scratch.putInt(0, 0); // the priority, of which these policies have none
        for (int tid : threads) {
            FfmSyscalls.INSTANCE.schedSetscheduler(tid, policy, scratch.address());
        }
    }
}
