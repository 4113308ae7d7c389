package org.vmckpt.cow.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.EventWaiter;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.qmp.QmpEvent;

/** One migration of ours, from {@code migrate} to its end. */
final class OutgoingMigration implements AutoCloseable {
    private static final Set<String> FINAL = Set.of("completed", "failed", "cancelled");
    private static final Duration CANCEL_LIMIT = Duration.ofSeconds(20);
    private static final long RETRY_NANOS = 1_000_000L;

    private final QmpClient qmp;
    private final EventWaiter ended;
    private boolean underWay;

    /** Listens for its end from now on. */
    OutgoingMigration(QmpClient qmp) {
        this.qmp = qmp;
        this.ended = qmp.waitFor("end of the migration", OutgoingMigration::isEnd);
    }

    void start(String uri) throws VmckptException {
        ObjectNode arguments = Json.MAPPER.createObjectNode().put("uri", uri);
        underWay = true;
        try {
            qmp.execute("migrate", arguments);
        } catch (ProtocolException e) {
            // QEMU refused: nothing is under way.
            underWay = false;
            throw e;
        }
    }

    private static boolean isEnd(QmpEvent event) {
        return event.is("MIGRATION") && FINAL.contains(event.data().path("status").asText());
    }

    boolean underWay() {
        return underWay;
    }

    /** Whether it has ended, or ends in this time, well or not. */
    boolean endsWithin(Duration limit) throws VmckptException {
        return ended.happensWithin(limit);
    }

    /** Waits for QEMU's word that it wrote everything; the stream's end comes after it. */
    void awaitCompleted(Duration limit) throws VmckptException {
        String status = ended.await(limit).data().path("status").asText();
        if (!status.equals("completed")) {
            throw new TransportException(
                    "checkpoint: QEMU could not write the guest's state (migration "
                            + status
                            + "): "
                            + qmp.execute("query-migrate")
                                    .path("error-desc")
                                    .asText("no reason given"));
        }
    }

    /** The stream's end was seen as well: only then does QEMU take a cont. */
    void finished() {
        underWay = false;
    }

    /** Ends what still goes on: else it would stop the guest again when it ends. */
    void cancel() throws VmckptException {
        if (!underWay) {
            return;
        }
        long start = System.nanoTime();
        qmp.execute("migrate_cancel");
        while (!isOver(qmp.execute("query-migrate").path("status").asText("none"))) {
            if (System.nanoTime() - start > CANCEL_LIMIT.toNanos()) {
                return;
            }
            LockSupport.parkNanos(RETRY_NANOS);
        }
        underWay = false;
    }

    private static boolean isOver(String status) {
        return FINAL.contains(status) || status.equals("none");
    }

    @Override
    public void close() {
        ended.close();
    }
}
