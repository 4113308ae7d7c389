package org.vmckpt.cow.disk;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.Optional;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/**
 * Our jobs in QEMU. They are started without auto-dismiss, so that their result stays until it is
 * read, and polled: that also works for a job that a killed predecessor started.
 */
final class BlockJobs {
    static final String ID_PREFIX = "vmckpt-";
    private static final Duration SETTLE_LIMIT = Duration.ofMinutes(10);
    private static final long SHORTEST_POLL_MILLIS = 1;
    private static final long LONGEST_POLL_MILLIS = 100;

    private BlockJobs() {}

    /**
     * Waits until a job has ended, and dismisses it.
     *
     * @throws ProtocolException if it failed
     */
    static void await(
            QmpClient qmp, String id, Duration limit, String phase, ProgressListener progress)
            throws VmckptException {
        long deadline = System.nanoTime() + limit.toNanos();
        long pauseMillis = SHORTEST_POLL_MILLIS;
        boolean completing = false;
        while (true) {
            JsonNode job =
                    find(qmp, id)
                            .orElseThrow(() ->
                                    new ProtocolException(
                                            "QEMU job "
                                                    + id
                                                    + ": somebody else dismissed it, its"
                                                    + " result is unknown"));
            progress.update(
                    phase,
                    job.path("current-progress").asLong(),
                    job.path("total-progress").asLong(-1),
                    "bytes");
            if (status(job).equals("concluded")) {
                dismiss(qmp, id);
                requireSuccess(id, job);
                return;
            }
            if (status(job).equals("ready") && !completing) {
                command(qmp, "block-job-complete", "device", id);
                completing = true;
            }
            if (System.nanoTime() > deadline) {
                throw new TransportException(
                        "QEMU job " + id + ": still " + status(job) + " after " + limit);
            }
            sleep(id, pauseMillis);
            pauseMillis = Math.min(2 * pauseMillis, LONGEST_POLL_MILLIS);
        }
    }

    /**
     * Ends what a killed predecessor started: a fold is waited for, a revert that waits for its
     * pivot is cancelled, which leaves the chain as it is.
     */
    static void settleOurs(QmpClient qmp) throws VmckptException {
        for (JsonNode job : qmp.execute("query-jobs")) {
            String id = job.path("id").asText();
            if (id.startsWith(ID_PREFIX)) {
                settle(qmp, id, SETTLE_LIMIT);
            }
        }
    }

    /** Ends a job that was not waited for to its end; {@code reason} hears if that fails too. */
    static void settleAfter(QmpClient qmp, String id, VmckptException reason) {
        try {
            if (find(qmp, id).isPresent()) {
                cancel(qmp, id);
                settle(qmp, id, SETTLE_LIMIT);
            }
        } catch (VmckptException e) {
            reason.addSuppressed(e);
        }
    }

    private static void cancel(QmpClient qmp, String id) throws VmckptException {
        command(qmp, "block-job-cancel", "device", id);
    }

    /** Waits until a job has ended by itself, if it is there, and dismisses it. */
    static void settle(QmpClient qmp, String id, Duration limit) throws VmckptException {
        long deadline = System.nanoTime() + limit.toNanos();
        while (System.nanoTime() < deadline) {
            Optional<JsonNode> job = find(qmp, id);
            if (job.isEmpty()) {
                return;
            }
            switch (status(job.get())) {
                case "concluded" -> {
                    dismiss(qmp, id);
                    return;
                }
                case "ready" -> cancel(qmp, id);
                default -> {}
            }
            sleep(id, LONGEST_POLL_MILLIS);
        }
        throw new TransportException("QEMU job " + id + ": still there after " + limit);
    }

    private static void requireSuccess(String id, JsonNode job) throws ProtocolException {
        if (job.hasNonNull("error")) {
            throw new ProtocolException(
                    "QEMU job " + id + " failed: " + job.path("error").asText());
        }
    }

    private static void dismiss(QmpClient qmp, String id) throws VmckptException {
        command(qmp, "job-dismiss", "id", id);
    }

    private static void command(QmpClient qmp, String command, String key, String id)
            throws VmckptException {
        qmp.execute(command, Json.MAPPER.createObjectNode().put(key, id));
    }

    private static Optional<JsonNode> find(QmpClient qmp, String id) throws VmckptException {
        for (JsonNode job : qmp.execute("query-jobs")) {
            if (job.path("id").asText().equals(id)) {
                return Optional.of(job);
            }
        }
        return Optional.empty();
    }

    private static String status(JsonNode job) {
        return job.path("status").asText();
    }

    private static void sleep(String id, long millis) throws TransportException {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TransportException("waiting for QEMU job " + id + ": interrupted", e);
        }
    }
}
