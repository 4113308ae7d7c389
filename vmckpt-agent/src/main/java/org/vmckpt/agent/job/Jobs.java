package org.vmckpt.agent.job;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.ErrorKind;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.VmckptException;

/** All jobs: those that wait and run, and the last that have ended. */
public final class Jobs {
    private static final Logger LOG = LoggerFactory.getLogger(Jobs.class);
    private static final int ENDED_KEPT = 200;

    /** Does it, and returns its result. */
    @FunctionalInterface
    public interface Work {
        JsonNode run(Job job) throws VmckptException;
    }

    private final int mostWaiting;

    /** Fair: first come, first served, whatever guest it is for. */
    private final Semaphore slots;

    /** Guarded by this object; oldest first. */
    private final Map<String, Job> all = new LinkedHashMap<>();

    private boolean closed;

    /**
     * Makes an empty list.
     *
     * @param atOnce how many may run
     * @param mostWaiting how many may wait for that
     */
    public Jobs(int atOnce, int mostWaiting) {
        this.slots = new Semaphore(atOnce, true);
        this.mostWaiting = mostWaiting;
    }

    /**
     * Takes on a job.
     *
     * @param thread in which it waits and runs
     * @throws ConflictException when too many wait already, or the agent stops
     */
    public Job submit(
            JobKind kind, String subject, Optional<String> schedule, Executor thread, Work work)
            throws ConflictException {
        Job job = new Job(kind, subject, schedule);
        synchronized (this) {
            if (closed) {
                throw new ConflictException("take on a job: the agent is stopping");
            }
            if (count(JobState.WAITING) >= mostWaiting) {
                throw new ConflictException(
                        "take on a job: "
                                + mostWaiting
                                + " wait already; try again later, or raise limits.waiting");
            }
            forgetOldest();
            all.put(job.id(), job);
        }
        try {
            thread.execute(() -> run(job, work));
        } catch (RejectedExecutionException e) {
            job.cancel();
            throw new ConflictException(
                    "take on a job for " + subject + ": it is no longer in the configuration", e);
        }
        return job;
    }

    private void run(Job job, Work work) {
        MDC.put("job", job.id());
        MDC.put("guest", job.subject());
        try {
            // One that was cancelled meanwhile keeps its place, and lets it go at once.
            slots.acquire();
            try {
                if (job.start()) {
                    job.done(work.run(job));
                }
            } finally {
                slots.release();
            }
        } catch (VmckptException e) {
            LOG.warn("{} failed: {}", job.view().kind().text(), e.getMessage());
            job.failed(ErrorKind.of(e), String.valueOf(e.getMessage()));
        } catch (InterruptedException e) {
            job.failed(ErrorKind.REFUSED, "the agent stopped before it began");
            Thread.currentThread().interrupt();
        } catch (CancellationException e) {
            job.failed(ErrorKind.REFUSED, "cancelled");
        } catch (RuntimeException | Error e) {
            LOG.error("{} met a bug", job.view().kind().text(), e);
            job.failed(ErrorKind.BUG, "unexpected error, please report it as a bug: " + e);
        } finally {
            MDC.clear();
        }
    }

    private void forgetOldest() {
        List<Job> ended = all.values().stream().filter(job -> job.state().isEnd()).toList();
        ended.stream()
                .limit(Math.max(0, ended.size() - ENDED_KEPT + 1))
                .forEach(job -> all.remove(job.id()));
    }

    public synchronized Job find(String id) throws NotFoundException {
        Job job = all.get(id);
        if (job == null) {
            throw new NotFoundException(
                    "find job: there is none with this id; of ended jobs only the last "
                            + ENDED_KEPT
                            + " are known, and none of before the agent's start");
        }
        return job;
    }

    /** Newest first. */
    public synchronized List<Job> list() {
        return new ArrayList<>(all.values()).reversed();
    }

    public synchronized long count(JobState state) {
        return all.values().stream().filter(job -> job.state() == state).count();
    }

    /** Takes on no more, and ends those that wait. */
    public synchronized void close() {
        closed = true;
        all.values().stream().filter(job -> job.state() == JobState.WAITING).forEach(Job::cancel);
    }

    /** Has those that run take back what they did. */
    public synchronized void cancelAll() {
        all.values().stream().filter(job -> !job.state().isEnd()).forEach(Job::cancel);
    }
}
