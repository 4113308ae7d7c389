package org.vmckpt.agent.guest;

import org.vmckpt.agent.job.Job;

/** The time in which another process works on a guest. */
final class Lending {
    /** What the job's progress says once the guest was let go. */
    private static final String LENT = "lent";

    private static final long POLL_MILLIS = 50;

    private Lending() {}

    /** Returns when the job is cancelled, or the borrower has ended. */
    static void until(long borrower, Job job) {
        job.progress().update(LENT, 0, 1, "guests");
        try {
            while (!job.cancellation().isRequested()
                    && ProcessHandle.of(borrower).filter(ProcessHandle::isAlive).isPresent()) {
                Thread.sleep(POLL_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
