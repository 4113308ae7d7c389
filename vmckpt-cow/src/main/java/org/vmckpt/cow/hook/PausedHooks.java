package org.vmckpt.cow.hook;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.RefusedException;

/**
 * All who hear of one pause. What costs time is done before it: processes are started, connections
 * made. In the pause there is a write to each, beside QEMU's own work, and a wait that ends at the
 * limit. Whoever is not done then is left behind.
 */
public final class PausedHooks implements AutoCloseable {
    /** Without paused hooks a pause is as if there were none. */
    public static final PausedHooks NONE = new PausedHooks(List.of(), Duration.ZERO, Duration.ZERO);

    private static final Logger LOG = LoggerFactory.getLogger(PausedHooks.class);

    private final List<PausedHook> hooks;
    private final Duration limit;
    private final Duration pauseLimit;
    private final List<PausedHook> late = new ArrayList<>();
    private long deadlineNanos;

    private PausedHooks(List<PausedHook> hooks, Duration limit, Duration pauseLimit) {
        this.hooks = new ArrayList<>(hooks);
        this.limit = limit;
        this.pauseLimit = pauseLimit;
    }

    /** Waits until all are ready, and leaves out those that do not become so in time. */
    static PausedHooks awaitReady(List<PausedHook> started, Duration limit, Duration pauseLimit) {
        PausedHooks all = new PausedHooks(started, limit, pauseLimit);
        long deadline = System.nanoTime() + limit.toNanos();
        for (PausedHook hook : started) {
            if (!within(hook.ready(), deadline) || !hook.ready().getNow(false)) {
                LOG.warn(
                        "{} was not ready for the pause within {} ms and is left out",
                        hook.name(),
                        limit.toMillis());
                hook.kill();
                all.hooks.remove(hook);
            }
        }
        return all;
    }

    /** The guest stands still. */
    public void signal() {
        deadlineNanos = System.nanoTime() + pauseLimit.toNanos();
        for (PausedHook hook : hooks) {
            hook.signal();
        }
    }

    /** The guest could go on: gives those who are not done the rest of the limit. */
    public void awaitDone() {
        for (PausedHook hook : hooks) {
            if (!within(hook.done(), deadlineNanos)) {
                late.add(hook);
            }
        }
    }

    private static boolean within(CompletableFuture<?> future, long deadlineNanos) {
        try {
            future.get(Math.max(0, deadlineNanos - System.nanoTime()), TimeUnit.NANOSECONDS);
            return true;
        } catch (ExecutionException e) {
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** The guest goes on: says who was late, and what else went wrong. */
    public void finish() {
        for (PausedHook hook : late) {
            LOG.warn(
                    "{} was not done when the guest had stood still for it for {} ms; the guest"
                            + " went on and the hook was ended",
                    hook.name(),
                    pauseLimit.toMillis());
            hook.kill();
            hooks.remove(hook);
        }
        for (PausedHook hook : hooks) {
            try {
                hook.finish(limit);
            } catch (RefusedException e) {
                LOG.warn("at paused: {}", e.getMessage());
            }
        }
        hooks.clear();
    }

    /** The pause did not come: ends those who wait for it. */
    @Override
    public void close() {
        hooks.forEach(PausedHook::kill);
        hooks.clear();
    }
}
