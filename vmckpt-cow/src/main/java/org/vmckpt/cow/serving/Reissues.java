package org.vmckpt.cow.serving;

import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.vmckpt.core.RefusedException;
import org.vmckpt.cow.volume.Volume;

/**
 * Volumes whose requests are being answered with EIO so that QEMU issues them again. That ends when
 * whoever asked for it says so, goes away, or takes too long: no guest stands still for a process
 * that died.
 */
final class Reissues implements AutoCloseable {
    private static final long DEFAULT_LIMIT_MILLIS = 10_000;
    private static final long MAX_LIMIT_MILLIS = 60_000;

    private final ScheduledExecutorService timer;

    Reissues() {
        ScheduledThreadPoolExecutor executor =
                new ScheduledThreadPoolExecutor(
                        1,
                        task -> Thread.ofPlatform().daemon().name("volume-timer").unstarted(task));
        executor.setRemoveOnCancelPolicy(true);
        this.timer = executor;
    }

    Session session() {
        return new Session();
    }

    @Override
    public void close() {
        timer.shutdownNow();
    }

    /** Of one control connection. */
    final class Session {
        /** Guarded by this. */
        private final Set<Volume> held = new HashSet<>();

        private long generation;

        private Session() {}

        /** Notes the volume before it is held. */
        synchronized void begin(Volume volume, long limitMillis) throws RefusedException {
            if (volume.ledger().isHeld()) {
                throw new RefusedException(
                        "reissue of volume " + volume.name() + ": it is under way already");
            }
            held.add(volume);
            long limit =
                    limitMillis <= 0
                            ? DEFAULT_LIMIT_MILLIS
                            : Math.min(limitMillis, MAX_LIMIT_MILLIS);
            long begun = ++generation;
            var _ = timer.schedule(() -> endIf(begun), limit, TimeUnit.MILLISECONDS);
        }

        private synchronized void endIf(long begun) {
            if (generation == begun) {
                end();
            }
        }

        synchronized void end() {
            generation++;
            held.forEach(Volume::release);
            held.clear();
        }
    }
}
