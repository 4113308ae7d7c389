package org.vmckpt.cow.restore;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.checkpoint.FreezeNote;
import org.vmckpt.cow.guard.Thaw;
import org.vmckpt.cow.guestagent.AgentSocketSearch;
import org.vmckpt.cow.guestagent.GuestAgent;

/**
 * What a restored guest needs that only its agent can do. A checkpoint that was taken with frozen
 * file systems has them frozen: they are thawed as soon as the guest runs. Its clock stands at the
 * checkpoint's instant: it is set.
 */
final class GuestAfterRestore {
    private static final Logger LOG = LoggerFactory.getLogger(GuestAfterRestore.class);
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private static final Duration OPEN_LIMIT = Duration.ofSeconds(2);
    private static final long NAP_NANOS = 20_000_000L;

    private final RestoreRequest request;
    private final boolean frozen;

    private GuestAfterRestore(RestoreRequest request) {
        this.request = request;
        this.frozen = request.manifest().statistics().getOrDefault("frozenFileSystems", 0L) > 0;
    }

    /** Restores; a guest that comes back frozen goes on only when it is noted that it is. */
    static RestoreReport restore(
            RestoreRequest request, Takeover takeover, ProgressListener progress)
            throws VmckptException {
        GuestAfterRestore after = new GuestAfterRestore(request);
        boolean hold = after.frozen && request.manifest().guest().running() && !request.paused();
        RestoreRequest first = hold ? request.withPaused(true) : request;
        RestoreReport report =
                Restoration.run(first, RestorePlan.of(first, takeover), takeover, progress);
        if (!report.running() && !hold) {
            after.warnOfStopped();
            return report;
        }
        return after.settle(report, hold, takeover);
    }

    private void warnOfStopped() {
        if (frozen) {
            LOG.warn(
                    "the guest's file systems are frozen, as they were at its checkpoint; after"
                            + " cont send guest-fsfreeze-thaw to its guest agent");
        }
    }

    private RestoreReport settle(RestoreReport report, boolean hold, Takeover takeover)
            throws VmckptException {
        try (QmpClient qmp = QmpClient.connect(report.qmpPath(), request.timeout())) {
            Optional<AgentSocketSearch.Found> agent = AgentSocketSearch.find(qmp, report.pid());
            if (hold) {
                if (agent.isPresent()) {
                    FreezeNote.write(report.pid(), agent.get().socket());
                }
                qmp.execute("cont");
                takeover.newGuestRuns();
            }
            if (frozen) {
                thaw(report.pid(), agent.map(AgentSocketSearch.Found::socket));
            }
            if (agent.isPresent() && awaitOpen(qmp, report.pid())) {
                setTime(agent.get().socket());
            }
            return report.withRunning();
        }
    }

    /** QEMU hears from a loaded guest that its port is open when the guest has run for a moment. */
    private static boolean awaitOpen(QmpClient qmp, long pid) throws VmckptException {
        long deadline = System.nanoTime() + OPEN_LIMIT.toNanos();
        while (System.nanoTime() < deadline) {
            if (AgentSocketSearch.find(qmp, pid)
                    .filter(AgentSocketSearch.Found::open)
                    .isPresent()) {
                return true;
            }
            LockSupport.parkNanos(NAP_NANOS);
        }
        return false;
    }

    private static void thaw(long pid, Optional<Path> socket) {
        if (socket.isPresent() && Thaw.insist(socket.get(), PATIENCE)) {
            FreezeNote.remove(pid);
        } else {
            LOG.error(
                    "the guest's file systems are frozen, as they were at its checkpoint, and its"
                            + " guest agent does not answer; send it guest-fsfreeze-thaw");
        }
    }

    /** Without it the guest is only late. */
    private static void setTime(Path socket) {
        try (GuestAgent agent = GuestAgent.connect(socket)) {
            agent.setTime(Instant.now());
        } catch (VmckptException e) {
            LOG.warn("the guest's clock was not set: {}", e.getMessage());
        }
    }
}
