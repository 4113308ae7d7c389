package org.vmckpt.testvm.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.EventWaiter;
import org.vmckpt.core.qmp.QmpClient;

/**
 * Drives one of QEMU's own migrations, with no limit to its speed; capabilities and limit are put
 * back when it is closed. Times are QEMU's own, of its events.
 */
final class MigrationSession implements AutoCloseable {
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(10);
    private static final Duration MIGRATION_LIMIT = Duration.ofMinutes(10);
    private static final Duration CONT_LIMIT = Duration.ofSeconds(5);
    private static final long CONT_RETRY_NANOS = 100_000;
    private static final long UNLIMITED_BYTES_PER_SECOND = 1L << 40;

    private final QmpClient qmp;
    private final Set<String> capabilities;
    private final long foundBandwidth;
    private final EventWaiter stopped;
    private final EventWaiter resumed;
    private final EventWaiter ended;

    private MigrationSession(QmpClient qmp, Set<String> capabilities) throws VmckptException {
        this.qmp = qmp;
        this.capabilities = capabilities;
        this.foundBandwidth =
                qmp.execute("query-migrate-parameters").path("max-bandwidth").asLong();
        this.stopped = qmp.waitFor("STOP event", event -> event.is("STOP"));
        this.resumed = qmp.waitFor("RESUME event", event -> event.is("RESUME"));
        this.ended =
                qmp.waitFor(
                        "final MIGRATION event",
                        event -> event.is("MIGRATION") && isFinal(event.data()));
    }

    private static boolean isFinal(JsonNode data) {
        return Set.of("completed", "failed", "cancelled").contains(data.path("status").asText());
    }

    /**
     * Takes the monitor of a guest.
     *
     * @param capabilities of migration that are on meanwhile; "events" has to be one
     */
    static MigrationSession open(Path qmpSocket, Set<String> capabilities) throws VmckptException {
        QmpClient qmp = QmpClient.connect(qmpSocket, CONNECT_LIMIT);
        boolean open = false;
        try {
            MigrationSession session = new MigrationSession(qmp, capabilities);
            session.setCapabilities(true);
            session.setBandwidth(UNLIMITED_BYTES_PER_SECOND);
            open = true;
            return session;
        } finally {
            if (!open) {
                qmp.close();
            }
        }
    }

    void stop() throws VmckptException {
        qmp.execute("stop");
    }

    /**
     * Lets the guest go on. QEMU says "completed" a little before it takes that itself, and refuses
     * until then ("Migration is not finalized yet").
     */
    void cont() throws VmckptException {
        long deadline = System.nanoTime() + CONT_LIMIT.toNanos();
        while (true) {
            try {
                qmp.execute("cont");
                return;
            } catch (ProtocolException e) {
                if (System.nanoTime() > deadline) {
                    throw e;
                }
                LockSupport.parkNanos(CONT_RETRY_NANOS);
            }
        }
    }

    /** Starts the migration, and returns before it ends. */
    void migrate(String uri) throws VmckptException {
        qmp.execute("migrate", Json.MAPPER.createObjectNode().put("uri", uri));
    }

    Instant stoppedAt() throws VmckptException {
        return stopped.await(MIGRATION_LIMIT).timestamp();
    }

    Instant resumedAt() throws VmckptException {
        return resumed.await(MIGRATION_LIMIT).timestamp();
    }

    /** Waits until all of the stream was written. */
    Instant completedAt() throws VmckptException {
        var event = ended.await(MIGRATION_LIMIT);
        String status = event.data().path("status").asText();
        if (!status.equals("completed")) {
            String reason = qmp.execute("query-migrate").path("error-desc").asText("no reason");
            throw new TransportException("QEMU's migration " + status + ": " + reason);
        }
        return event.timestamp();
    }

    private void setCapabilities(boolean state) throws VmckptException {
        ObjectNode arguments = Json.MAPPER.createObjectNode();
        ArrayNode list = arguments.putArray("capabilities");
        for (String capability : capabilities) {
            list.addObject().put("capability", capability).put("state", state);
        }
        qmp.execute("migrate-set-capabilities", arguments);
    }

    private void setBandwidth(long bytesPerSecond) throws VmckptException {
        qmp.execute(
                "migrate-set-parameters",
                Json.MAPPER.createObjectNode().put("max-bandwidth", bytesPerSecond));
    }

    @Override
    public void close() throws VmckptException {
        try (qmp) {
            stopped.close();
            resumed.close();
            ended.close();
            setCapabilities(false);
            setBandwidth(foundBandwidth);
        }
    }
}
