package org.vmckpt.cow.checkpoint;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.EventWaiter;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.qmp.StagedCommand;
import org.vmckpt.cow.disk.DiskFork;
import org.vmckpt.cow.guard.Guard;

/**
 * The instant of a checkpoint. Everything here is time that the guest stands still, so nothing that
 * can wait happens here.
 *
 * <pre>
 *   QEMU  stop --+-- forks disks -- saves devices --+-- cont
 *   we           +-- engine protects ---------------+
 * </pre>
 *
 * QEMU reads each command while it is at the one before ({@link StagedCommand}), so one thread of
 * ours is enough: a second one that protects was woken up to four milliseconds late. What the JVM
 * does for the first time waits as well: a lambda that is made in the pause costs half a
 * millisecond.
 */
final class Pause {
    /** A stop that waits for its disks cannot be called back, so it is waited for. */
    private static final Duration STOP_LIMIT = Duration.ofMinutes(30);

    private static final Duration CONT_LIMIT = Duration.ofSeconds(20);
    private static final long RETRY_NANOS = 1_000_000L;

    private static final Logger LOG = LoggerFactory.getLogger(Pause.class);

    private final QmpClient qmp;
    private final Guard guard;
    private final DiskFork fork;
    private final VolumeFork volumes;
    private final Reissue reissue;
    private final CaptureEngine engine;
    private final PauseProbe probe;
    // Made before the pause, in which nothing that can wait happens.
    private final StagedCommand query;
    private final StagedCommand stop;
    private final StagedCommand cont;
    private boolean stoppedByUs;
    private boolean forked;
    private boolean saveStaged;

    Pause(
            QmpClient qmp,
            Guard guard,
            DiskFork fork,
            VolumeFork volumes,
            Reissue reissue,
            CaptureEngine engine,
            PauseProbe probe) {
        this.qmp = qmp;
        this.guard = guard;
        this.fork = fork;
        this.volumes = volumes;
        this.reissue = reissue;
        this.engine = engine;
        this.probe = probe;
        this.query = qmp.command("query-status");
        this.stop = qmp.command("stop");
        this.cont = qmp.command("cont");
    }

    boolean forked() {
        return forked;
    }

    /**
     * Takes the instant. A guest that ran goes on; one that was stopped stays so.
     *
     * @param expected what the guest was when the preparation began
     */
    PauseTimes take(GuestStatus expected, Duration drainLimit) throws VmckptException {
        if (expected == GuestStatus.RUNNING) {
            guard.pausing();
        }
        protectAgain();
        try (EventWaiter stopped = qmp.waitFor("STOP event", event -> event.is("STOP"));
                EventWaiter resumed = qmp.waitFor("RESUME event", event -> event.is("RESUME"));
                EventWaiter reset = qmp.waitFor("RESET event", event -> event.is("RESET"))) {
            stoppedByUs = expected == GuestStatus.RUNNING;
            long start = System.nanoTime();
            sendStop();
            engine.stopping();
            if (stoppedByUs && reissue.isWanted()) {
                beginReissue();
            }
            stop.await(STOP_LIMIT);
            long stopEnd = System.nanoTime();
            requireExpected(expected, wasRunning());
            requireInTime(Duration.ofNanos(stopEnd - start), drainLimit);
            probe.reached(PauseProbe.Moment.STOPPED);
            PauseTimes parts = takeInstant(stopEnd - start, resumed, reset);
            if (!engine.resumesGuest()) {
                requireUndisturbed(resumed, reset);
            }
            if (expected != GuestStatus.RUNNING) {
                return parts;
            }
            // Before QEMU gets our cont, and by the same clock.
            long goesOnMillis = System.currentTimeMillis();
            PauseTimes times = goOn(parts, stopped, resumed);
            if (!engine.resumesGuest()) {
                requireNotBefore(Instant.ofEpochMilli(goesOnMillis), resumed, reset);
            }
            return times;
        }
    }

    private void sendStop() throws VmckptException {
        try (QmpClient.Batch _ = qmp.batch()) {
            // Done right before the stop: tells whether it was running then. An event does not,
            // since that of somebody else's stop may come late.
            query.send();
            // Sent to a stopped guest too: there it changes nothing.
            stop.send();
            // What QEMU is told when it has stopped the guest, for it to read meanwhile.
            if (!fork.stage()) {
                engine.stageSave();
                saveStaged = true;
            }
        }
    }

    private boolean wasRunning() throws VmckptException {
        return query.await(STOP_LIMIT).path("running").asBoolean();
    }

    /** Only once QEMU has said that the guest ran: an error of its own is not ours to mend. */
    private void beginReissue() throws VmckptException {
        if (wasRunning()) {
            guard.errors();
            reissue.begin();
        }
    }

    /** When this fails nobody has stopped the guest, and nobody may send it cont. */
    private void protectAgain() throws VmckptException {
        try {
            engine.protectAgain();
        } catch (VmckptException | RuntimeException e) {
            guard.resumed();
            throw e;
        }
    }

    private PauseTimes goOn(PauseTimes parts, EventWaiter stopped, EventWaiter resumed)
            throws VmckptException {
        long contStart = System.nanoTime();
        if (!engine.resumesGuest()) {
            cont.send().await(CONT_LIMIT);
        }
        long contEnd = System.nanoTime();
        probe.reached(PauseProbe.Moment.RESUMED);
        stoppedByUs = false;
        guard.resumed();
        Instant stoppedAt = stopped.await(CONT_LIMIT).timestamp();
        Duration total = Duration.between(stoppedAt, resumed.await(CONT_LIMIT).timestamp());
        return new PauseTimes(
                total.toNanos() / 1000,
                parts.stopMicros(),
                parts.forkMicros(),
                parts.devicesMicros(),
                parts.armMicros(),
                micros(contStart, contEnd),
                Optional.of(stoppedAt));
    }

    /** The guest may have changed while we prepared; whoever changed it meant it. */
    private void requireExpected(GuestStatus expected, boolean ran) throws VmckptException {
        if (expected == GuestStatus.RUNNING && !ran) {
            stoppedByUs = false;
            guard.resumed();
            throw new RefusedException(
                    "checkpoint: the guest was stopped by somebody else, or by an error, while the"
                            + " checkpoint was prepared; it was left so; look at its status");
        }
        if (expected == GuestStatus.STOPPED && ran) {
            stoppedByUs = true;
            throw new RefusedException(
                    "checkpoint: the guest was started by somebody else while the checkpoint was"
                            + " prepared; it runs on; take the checkpoint again");
        }
    }

    private static void requireUndisturbed(EventWaiter resumed, EventWaiter reset)
            throws RefusedException {
        if (resumed.happened() || reset.happened()) {
            throw disturbed();
        }
    }

    /** Through libvirt an event may come later than the answers that were looked at. */
    private static void requireNotBefore(Instant goesOn, EventWaiter resumed, EventWaiter reset)
            throws VmckptException {
        if (resumed.await(CONT_LIMIT).timestamp().isBefore(goesOn)
                || (reset.happened() && reset.await(CONT_LIMIT).timestamp().isBefore(goesOn))) {
            throw disturbed();
        }
    }

    private static RefusedException disturbed() {
        return new RefusedException(
                "checkpoint: somebody else resumed or reset the guest while it was being"
                        + " saved; take the checkpoint again");
    }

    private static void requireInTime(Duration took, Duration drainLimit) throws RefusedException {
        if (took.compareTo(drainLimit) > 0) {
            throw new RefusedException(
                    "checkpoint: the guest stood still for "
                            + took.toMillis()
                            + " ms until its pending disk requests were done, longer than the drain"
                            + " limit of "
                            + drainLimit.toMillis()
                            + " ms; it runs on and nothing was changed;"
                            + " wait until the disk is faster, or raise --drain-timeout");
        }
    }

    private PauseTimes takeInstant(long stopNanos, EventWaiter resumed, EventWaiter reset)
            throws VmckptException {
        long start = System.nanoTime();
        beginFork();
        long armEnd = protectAndFork();
        long forkEnd = System.nanoTime();
        probe.reached(PauseProbe.Moment.FORKED);
        if (!engine.savesBehindFork()) {
            // From here on the engine may let the guest go on.
            requireUndisturbed(resumed, reset);
            save();
        }
        engine.awaitSaved();
        long devicesEnd = System.nanoTime();
        probe.reached(PauseProbe.Moment.DEVICES_SAVED);
        reissue.end();
        probe.reached(PauseProbe.Moment.ARMED);
        return new PauseTimes(
                0,
                stopNanos / 1000,
                micros(start, forkEnd),
                micros(forkEnd, devicesEnd),
                micros(start, armEnd),
                0,
                Optional.empty());
    }

    private void beginFork() throws VmckptException {
        try (QmpClient.Batch _ = qmp.batch()) {
            fork.begin();
            if (!saveStaged) {
                engine.stageSave();
            }
            if (engine.savesBehindFork()) {
                save();
            }
        }
    }

    private void save() throws VmckptException {
        engine.save();
        if (stoppedByUs && !engine.resumesGuest()) {
            cont.stage();
        }
    }

    /**
     * QEMU forks its disks meanwhile. Whatever happens, it is known at the end whether it did.
     *
     * @return when memory was protected
     */
    private long protectAndFork() throws VmckptException {
        long armEnd;
        try {
            engine.protect();
            armEnd = System.nanoTime();
            volumes.fork();
        } catch (VmckptException | RuntimeException | Error e) {
            try {
                fork.awaitEnd();
                forked = true;
            } catch (VmckptException also) {
                e.addSuppressed(also);
            }
            throw e;
        }
        fork.awaitEnd();
        forked = true;
        return armEnd;
    }

    /** After a failure: no migration of ours goes on, and a guest that we stopped runs. */
    void takeBack() throws VmckptException {
        engine.cancel();
        endReissue();
        long start = System.nanoTime();
        while (stoppedByUs) {
            try {
                qmp.execute("cont");
                stoppedByUs = false;
                guard.resumed();
            } catch (ProtocolException e) {
                // Refused while a migration ends. A broken connection is the guard's to mend.
                if (System.nanoTime() - start > CONT_LIMIT.toNanos()) {
                    throw e;
                }
                LockSupport.parkNanos(RETRY_NANOS);
            }
        }
    }

    /** A server that is gone answers nothing with EIO either. */
    private void endReissue() {
        try {
            reissue.end();
        } catch (VmckptException e) {
            LOG.warn("ending the reissue of disk requests: {}", e.getMessage());
        }
    }

    private static long micros(long startNanos, long endNanos) {
        return (endNanos - startNanos) / 1000;
    }
}
