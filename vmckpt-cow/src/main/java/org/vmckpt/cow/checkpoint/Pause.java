package org.vmckpt.cow.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.locks.LockSupport;
import org.vmckpt.core.Json;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.EventWaiter;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.disk.OverlayFork;
import org.vmckpt.cow.guard.Guard;
import org.vmckpt.cow.memory.MemoryCapture;

/**
 * The instant of a checkpoint. Everything here is time that the guest stands still, so nothing that
 * can wait happens here.
 *
 * <pre>
 *   stop --+-- fork disks -- device state --+-- cont
 *          +-- arm write protection --------+
 * </pre>
 */
final class Pause {
    /** A stop that waits for its disks cannot be called back, so it is waited for. */
    private static final Duration STOP_LIMIT = Duration.ofMinutes(30);

    private static final Duration DEVICE_LIMIT = Duration.ofSeconds(20);
    private static final Duration CONT_LIMIT = Duration.ofSeconds(20);
    private static final long CONT_RETRY_NANOS = 1_000_000L;

    private final QmpClient qmp;
    private final Guard guard;
    private final OverlayFork fork;
    private final MemoryCapture capture;
    private final DeviceStateReceiver receiver;
    private final PauseProbe probe;
    private boolean stoppedByUs;
    private boolean forked;
    private byte[] deviceStream = {};

    Pause(
            QmpClient qmp,
            Guard guard,
            OverlayFork fork,
            MemoryCapture capture,
            DeviceStateReceiver receiver,
            PauseProbe probe) {
        this.qmp = qmp;
        this.guard = guard;
        this.fork = fork;
        this.capture = capture;
        this.receiver = receiver;
        this.probe = probe;
    }

    boolean forked() {
        return forked;
    }

    byte[] deviceStream() {
        return deviceStream;
    }

    /** Pauses a running guest, takes the instant, and lets it run again. */
    PauseTimes takeRunning(Duration drainLimit) throws VmckptException {
        try (EventWaiter stopped = qmp.waitFor("STOP event", event -> event.is("STOP"));
                EventWaiter resumed = qmp.waitFor("RESUME event", event -> event.is("RESUME"))) {
            guard.pausing();
            stoppedByUs = true;
            long start = System.nanoTime();
            qmp.execute("stop", Json.MAPPER.createObjectNode(), STOP_LIMIT);
            long stopEnd = System.nanoTime();
            requireInTime(Duration.ofNanos(stopEnd - start), drainLimit);
            probe.reached(PauseProbe.Moment.STOPPED);
            PauseTimes parts = takeStopped();
            long contStart = System.nanoTime();
            qmp.execute("cont");
            long contEnd = System.nanoTime();
            probe.reached(PauseProbe.Moment.RESUMED);
            stoppedByUs = false;
            guard.resumed();
            Duration total =
                    Duration.between(
                            stopped.await(CONT_LIMIT).timestamp(),
                            resumed.await(CONT_LIMIT).timestamp());
            return new PauseTimes(
                    total.toNanos() / 1000,
                    micros(start, stopEnd),
                    parts.forkMicros(),
                    parts.devicesMicros(),
                    parts.armMicros(),
                    micros(contStart, contEnd));
        }
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

    /** Takes the instant of a guest that stands still, and leaves it so. */
    PauseTimes takeStopped() throws VmckptException {
        long start = System.nanoTime();
        CompletableFuture<Long> armed = armBeside();
        try {
            fork.fork();
            forked = true;
            long forkEnd = System.nanoTime();
            probe.reached(PauseProbe.Moment.FORKED);
            saveDevices();
            long devicesEnd = System.nanoTime();
            probe.reached(PauseProbe.Moment.DEVICES_SAVED);
            long armEnd = join(armed);
            probe.reached(PauseProbe.Moment.ARMED);
            return new PauseTimes(
                    0,
                    0,
                    micros(start, forkEnd),
                    micros(forkEnd, devicesEnd),
                    micros(start, armEnd),
                    0);
        } catch (VmckptException e) {
            // Arming must have ended before anybody releases the memory.
            armed.handle((end, failure) -> true).join();
            throw e;
        }
    }

    private CompletableFuture<Long> armBeside() {
        CompletableFuture<Long> armed = new CompletableFuture<>();
        Thread.ofPlatform()
                .name("vmckpt-arm")
                .start(() -> {
                    try {
                        capture.arm();
                        armed.complete(System.nanoTime());
                    } catch (VmckptException | RuntimeException e) {
                        armed.completeExceptionally(e);
                    }
                });
        return armed;
    }

    private static long join(CompletableFuture<Long> armed) throws VmckptException {
        try {
            return armed.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof VmckptException known) {
                throw known;
            }
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RefusedException(
                    "checkpoint: interrupted in the pause; the guest runs on", e);
        }
    }

    private void saveDevices() throws VmckptException {
        try (EventWaiter ended =
                qmp.waitFor(
                        "MIGRATION event",
                        event ->
                                event.is("MIGRATION")
                                        && isFinal(event.data().path("status").asText()))) {
            ObjectNode arguments = Json.MAPPER.createObjectNode().put("uri", receiver.uri());
            qmp.execute("migrate", arguments);
            String status = ended.await(DEVICE_LIMIT).data().path("status").asText();
            if (!status.equals("completed")) {
                throw new TransportException(
                        "checkpoint: QEMU could not write its device state (migration "
                                + status
                                + "): "
                                + qmp.execute("query-migrate")
                                        .path("error-desc")
                                        .asText("no reason given"));
            }
            deviceStream = receiver.await(DEVICE_LIMIT);
        }
    }

    private static boolean isFinal(String status) {
        return status.equals("completed") || status.equals("failed") || status.equals("cancelled");
    }

    /** After a failure: if the guest stands still because of us, it goes on. */
    void ensureRunning() throws VmckptException {
        long start = System.nanoTime();
        while (stoppedByUs) {
            try {
                qmp.execute("cont");
                stoppedByUs = false;
                guard.resumed();
            } catch (VmckptException e) {
                if (System.nanoTime() - start > CONT_LIMIT.toNanos()
                        || e instanceof TransportException) {
                    throw e;
                }
                // QEMU refuses cont until the migration that we gave up has ended.
                qmp.execute("migrate_cancel");
                LockSupport.parkNanos(CONT_RETRY_NANOS);
            }
        }
    }

    private static long micros(long startNanos, long endNanos) {
        return (endNanos - startNanos) / 1000;
    }
}
