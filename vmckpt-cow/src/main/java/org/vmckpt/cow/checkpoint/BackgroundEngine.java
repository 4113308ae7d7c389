package org.vmckpt.cow.checkpoint;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.EventWaiter;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.qmp.QmpEvent;
import org.vmckpt.core.stream.DeviceStream;
import org.vmckpt.cow.guard.Guard;

/**
 * QEMU's own background snapshot: it write-protects memory, saves the devices, lets the guest go on
 * and writes memory while it runs.
 *
 * <p>QEMU would stop the guest by itself too, but only we can fork the disks at the same instant;
 * so it finds the guest stopped. Until 8.2 it starts the guest even so; later ones are told to.
 *
 * <p>Once begun, a snapshot is always read to its end, whatever happens, if need be by the guard:
 * see {@code StreamKeeper}.
 */
final class BackgroundEngine extends StreamEngine {
    /** QEMU touches all of memory first, and allocates what of shared memory was never used. */
    private static final Duration RESUME_LIMIT = Duration.ofMinutes(2);

    /** Since then QEMU leaves a guest stopped that it found so, and it is for us to send cont. */
    private static final int FIRST_THAT_LEAVES_IT_STOPPED = 9;

    private static final String STATE_SECTION = "globalstate";
    private static final String STOPPED_BY_US = "paused";

    private long resumedNanos;

    BackgroundEngine(
            GuestSession guest,
            CheckpointRequest request,
            ProgressListener progress,
            Cancellation cancellation)
            throws VmckptException {
        super(guest, request, progress, cancellation);
    }

    @Override
    StreamSource open(MigrationSocket socket, Guard guard) throws VmckptException {
        guard.awaitReady();
        socket.admitQemu();
        return new GuardedStream(socket, guard);
    }

    @Override
    public void save() throws VmckptException {
        if (resumesGuest()) {
            awaitResume();
            return;
        }
        startMigration();
        try {
            awaitFirstPage(RESUME_LIMIT);
        } catch (TransportException e) {
            throw ownFailureOr(e);
        }
        // QEMU's main loop has still to note that the guest stays stopped, which it was told before
        // that page was written. An answer to this says that it has; then it takes our cont.
        qmp.execute("query-status");
    }

    private void awaitResume() throws VmckptException {
        try (EventWaiter goesOn = qmp.waitFor("RESUME event", BackgroundEngine::resumesOrFails)) {
            startMigration();
            QmpEvent event = goesOn.await(RESUME_LIMIT);
            if (!event.is("RESUME")) {
                throw ownFailureOr(
                        new TransportException(
                                "checkpoint: QEMU could not protect the guest's memory: "
                                        + reason(qmp)));
            }
        }
    }

    private static String reason(QmpClient qmp) throws VmckptException {
        return qmp.execute("query-migrate").path("error-desc").asText("it gives no reason");
    }

    private static boolean resumesOrFails(QmpEvent event) {
        if (event.is("RESUME")) {
            return true;
        }
        String status = event.data().path("status").asText();
        return event.is("MIGRATION") && (status.equals("failed") || status.equals("cancelled"));
    }

    @Override
    public boolean resumesGuest() {
        return !qmp.version().isAtLeast(FIRST_THAT_LEAVES_IT_STOPPED, 0);
    }

    @Override
    public void start() {
        resumedNanos = System.nanoTime();
    }

    @Override
    public Captured awaitCaptured() throws VmckptException {
        awaitStream();
        long windowMicros = (System.nanoTime() - resumedNanos) / 1000;
        requireStoppedByUs(deviceStream());
        return drain(windowMicros);
    }

    /**
     * QEMU writes into its stream in what state it found the guest. If that is not how we left it,
     * somebody let the guest run after its disks were forked.
     */
    static void requireStoppedByUs(byte[] stream) throws VmckptException {
        for (DeviceStream.Section section : DeviceStream.parse(stream).sections()) {
            if (section.name().equals(STATE_SECTION)) {
                String payload =
                        new String(
                                stream,
                                section.offset() + Integer.BYTES,
                                section.sizeBytes() - Integer.BYTES,
                                StandardCharsets.US_ASCII);
                if (payload.startsWith(STOPPED_BY_US + "\0")) {
                    return;
                }
            }
        }
        throw new RefusedException(
                "checkpoint: somebody else resumed the guest while it was being saved; take the"
                        + " checkpoint again");
    }
}
