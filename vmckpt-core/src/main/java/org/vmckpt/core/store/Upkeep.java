package org.vmckpt.core.store;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;

/**
 * Keeps a store small while a guest is checkpointed again and again: a thread of its own, which
 * removes what is not to be kept and compacts the rest. It is told of each checkpoint and may be
 * behind; it never makes one wait for more than a moment.
 */
public final class Upkeep implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Upkeep.class);

    /** For one part of work in reading manifests, this many parts of rest. */
    private static final int REST_FACTOR = 9;

    private static final Duration MOST_REST = Duration.ofSeconds(30);

    /** A damaged chain is not read again and again. */
    private static final Duration REST_AFTER_PROBLEM = Duration.ofMinutes(10);

    private final Store store;
    private final Optional<Retention> retention;
    private final Thread thread;

    /** These are guarded by this object. */
    private @Nullable Manifest newest;

    private boolean closed;
    private Optional<String> problem = Optional.empty();
    private long checkpointsRemoved;
    private long bytesFreed;

    /** When looking ended and merging began; the thread's own, like the next. */
    private long lookedNanos = System.nanoTime();

    private long compactAgainNanos = lookedNanos;

    private Upkeep(Store store, Optional<Retention> retention, Runnable inThread) {
        this.store = store;
        this.retention = retention;
        this.thread =
                Thread.ofPlatform()
                        .name("vmckpt-upkeep")
                        .daemon()
                        .unstarted(() -> {
                            inThread.run();
                            work();
                        });
    }

    /**
     * Starts the thread.
     *
     * @param retention empty keeps every checkpoint
     * @param inThread is run in the thread first, to lower its priority
     */
    public static Upkeep start(Store store, Optional<Retention> retention, Runnable inThread) {
        Upkeep upkeep = new Upkeep(store, retention, inThread);
        upkeep.thread.start();
        return upkeep;
    }

    /** Tells of a checkpoint of the series; returns at once. */
    public synchronized void published(Manifest checkpoint) {
        newest = checkpoint;
        notifyAll();
    }

    /** Why the store was not kept small the last time. */
    public synchronized Optional<String> problem() {
        return problem;
    }

    public synchronized long checkpointsRemoved() {
        return checkpointsRemoved;
    }

    public synchronized long bytesFreed() {
        return bytesFreed;
    }

    private void work() {
        try {
            for (Manifest member = next(); member != null; member = next()) {
                long started = System.nanoTime();
                Optional<String> failure = keepSmall(member);
                synchronized (this) {
                    problem = failure;
                }
                rest(lookedNanos - started);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (CancellationException e) {
            LOG.debug("upkeep ends in the middle of its work");
        }
    }

    /** Null when there will be no more. */
    private synchronized @Nullable Manifest next() throws InterruptedException {
        while (newest == null && !closed) {
            wait();
        }
        Manifest member = newest;
        newest = null;
        return closed ? null : member;
    }

    private Optional<String> keepSmall(Manifest member) {
        try {
            if (retention.isPresent()) {
                count(retention.get().apply(store, member, Instant.now()));
            }
            lookedNanos = System.nanoTime();
            return compact();
        } catch (VmckptException e) {
            LOG.debug("upkeep of store {}", store.directory(), e);
            return Optional.of(String.valueOf(e.getMessage()));
        }
    }

    private synchronized void count(Retention.Applied applied) {
        checkpointsRemoved += applied.removed().size();
        count(applied.cleaned());
    }

    private synchronized void count(CleanReport cleaned) {
        bytesFreed += cleaned.bytesFreed();
    }

    private Optional<String> compact() throws VmckptException {
        if (System.nanoTime() - compactAgainNanos < 0) {
            return problem();
        }
        ProgressListener untilClosed =
                (phase, done, total, unit) -> {
                    if (isClosed()) {
                        throw new CancellationException();
                    }
                };
        Optional<String> failure = Optional.of("");
        try {
            CompactionReport report = Compactor.compactAll(store, untilClosed);
            count(report.cleaned());
            if (report.runsFolded() == 0) {
                lookedNanos = System.nanoTime();
            }
            failure = report.problems().stream().findFirst();
        } finally {
            if (failure.isPresent()) {
                compactAgainNanos = System.nanoTime() + REST_AFTER_PROBLEM.toNanos();
            }
        }
        return failure;
    }

    /** Reading the manifests of thousands of kept checkpoints takes its time. */
    private synchronized void rest(long lookingNanos) throws InterruptedException {
        long restNanos = Math.clamp(lookingNanos * REST_FACTOR, 0, MOST_REST.toNanos());
        long end = System.nanoTime() + restNanos;
        for (long left = restNanos; left > 0 && !closed; left = end - System.nanoTime()) {
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
    }

    /** Ends what is under way, and waits for that. */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized boolean isClosed() {
        return closed;
    }
}
