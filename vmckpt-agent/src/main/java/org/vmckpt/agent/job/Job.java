package org.vmckpt.agent.job;

import com.fasterxml.jackson.databind.JsonNode;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Optional;
import org.vmckpt.agent.job.JobView.Failure;
import org.vmckpt.agent.job.JobView.Progress;
import org.vmckpt.core.ErrorKind;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.cow.checkpoint.Cancellation;

/** One job. Whoever waits for it sees its newest state and may miss some in between. */
public final class Job {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final int ID_BYTES = 8;

    private final String id;
    private final JobKind kind;
    private final String subject;
    private final Optional<String> schedule;
    private final Instant createdAt = Instant.now();
    private final Cancellation cancellation = new Cancellation();

    /** These are guarded by this object. */
    private JobState state = JobState.WAITING;

    private Optional<Instant> startedAt = Optional.empty();
    private Optional<Instant> endedAt = Optional.empty();
    private Optional<Progress> progress = Optional.empty();
    private Optional<Failure> failure = Optional.empty();
    private Optional<JsonNode> result = Optional.empty();
    private long version;

    Job(JobKind kind, String subject, Optional<String> schedule) {
        byte[] random = new byte[ID_BYTES];
        RANDOM.nextBytes(random);
        this.id = HexFormat.of().formatHex(random);
        this.kind = kind;
        this.subject = subject;
        this.schedule = schedule;
    }

    public String id() {
        return id;
    }

    public String subject() {
        return subject;
    }

    public Optional<String> schedule() {
        return schedule;
    }

    public Cancellation cancellation() {
        return cancellation;
    }

    public ProgressListener progress() {
        return (phase, done, total, unit) -> {
            synchronized (this) {
                progress = Optional.of(new Progress(phase, done, total, unit));
                changed();
            }
        };
    }

    /** A job that waits ends at once; one that runs is taken back and ends when that is done. */
    public void cancel() {
        cancellation.cancel();
        synchronized (this) {
            if (state == JobState.WAITING) {
                end(JobState.CANCELLED);
            }
        }
    }

    /** Returns false when it was cancelled before. */
    synchronized boolean start() {
        if (state != JobState.WAITING) {
            return false;
        }
        state = JobState.RUNNING;
        startedAt = Optional.of(Instant.now());
        changed();
        return true;
    }

    synchronized void done(JsonNode outcome) {
        result = Optional.of(outcome);
        end(JobState.DONE);
    }

    synchronized void failed(ErrorKind errorKind, String message) {
        failure = Optional.of(new Failure(errorKind, message));
        boolean cancelled = errorKind == ErrorKind.REFUSED && cancellation.isRequested();
        end(cancelled ? JobState.CANCELLED : JobState.FAILED);
    }

    private synchronized void end(JobState how) {
        state = how;
        endedAt = Optional.of(Instant.now());
        changed();
    }

    private synchronized void changed() {
        version++;
        notifyAll();
    }

    public synchronized JobState state() {
        return state;
    }

    public synchronized JobView view() {
        return new JobView(
                id, kind, subject, schedule, state, createdAt, startedAt, endedAt, progress,
                failure, result);
    }

    /** A view and its number in the order of changes. */
    public record Change(long version, JobView view) {}

    /** Waits for something newer than the version; empty when the time has passed. */
    public synchronized Optional<Change> awaitChange(long seen, Duration limit)
            throws InterruptedException {
        long end = System.nanoTime() + limit.toNanos();
        while (version <= seen && !(seen < 0)) {
            long leftMillis = (end - System.nanoTime()) / 1_000_000;
            if (leftMillis <= 0) {
                return Optional.empty();
            }
            wait(leftMillis);
        }
        return Optional.of(new Change(version, view()));
    }

    /** Waits for its end. */
    public synchronized JobView awaitEnd(Duration limit)
            throws InterruptedException, RefusedException {
        long end = System.nanoTime() + limit.toNanos();
        while (!state.isEnd()) {
            long leftMillis = (end - System.nanoTime()) / 1_000_000;
            if (leftMillis <= 0) {
                throw new RefusedException("wait for job " + id + ": it still runs");
            }
            wait(leftMillis);
        }
        return view();
    }
}
