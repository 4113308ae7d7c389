package org.vmckpt.cow.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.vmckpt.core.Json;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/**
 * Sets QEMU's migration up to write what an engine needs, and puts back what it found.
 *
 * <p>All other capabilities are switched off: each of them changes the stream or the way it is
 * sent.
 */
final class MigrationSetup {
    private static final Set<String> BUSY =
            Set.of(
                    "setup",
                    "active",
                    "pre-switchover",
                    "device",
                    "cancelling",
                    "postcopy-active",
                    "postcopy-paused",
                    "postcopy-recover",
                    "wait-unplug");

    private final QmpClient qmp;

    /** A limit would stretch the pause: QEMU sleeps when it has sent as much as it allows. */
    private static final long BANDWIDTH_BYTES_PER_SECOND = 64L << 30;

    private final Map<String, Boolean> found;
    private final long foundBandwidth;

    private MigrationSetup(QmpClient qmp, Map<String, Boolean> found, long foundBandwidth) {
        this.qmp = qmp;
        this.foundBandwidth = foundBandwidth;
        this.found = found;
    }

    /**
     * Sets it up.
     *
     * @param engine whose capabilities are to be on; all others are switched off
     */
    static MigrationSetup apply(QmpClient qmp, EngineName engine) throws VmckptException {
        refuseMigrationUnderWay(qmp);
        JsonNode parameters = qmp.execute("query-migrate-parameters");
        refuseTls(qmp, parameters);
        Map<String, Boolean> found = new TreeMap<>();
        Map<String, Boolean> wanted = new TreeMap<>();
        for (JsonNode capability : qmp.execute("query-migrate-capabilities")) {
            String name = capability.path("capability").asText();
            boolean state = capability.path("state").asBoolean();
            if (state != engine.needs(name)) {
                found.put(name, state);
                wanted.put(name, !state);
            }
        }
        MigrationSetup setup =
                new MigrationSetup(qmp, found, parameters.path("max-bandwidth").asLong());
        setup.set(wanted);
        qmp.execute("migrate-set-parameters", bandwidth(BANDWIDTH_BYTES_PER_SECOND));
        return setup;
    }

    static void refuseMigrationUnderWay(QmpClient qmp) throws VmckptException {
        String status = qmp.execute("query-migrate").path("status").asText("none");
        if (BUSY.contains(status)) {
            throw new RefusedException(
                    "checkpoint over "
                            + qmp.socketPath()
                            + ": the guest is being migrated ("
                            + status
                            + "); wait for it or, unless it is a background snapshot, which may"
                            + " hang QEMU, end it with migrate_cancel");
        }
    }

    private static void refuseTls(QmpClient qmp, JsonNode parameters) throws UnsupportedException {
        String credentials = parameters.path("tls-creds").asText("");
        if (!credentials.isEmpty()) {
            throw new UnsupportedException(
                    "checkpoint over "
                            + qmp.socketPath()
                            + ": migration is set up with TLS credentials \""
                            + credentials
                            + "\"; unset them with migrate-set-parameters tls-creds=\"\"");
        }
    }

    /** The QMP commands, one a line, that put everything back; for the guard. */
    String undoLines() {
        ObjectNode line = Json.MAPPER.createObjectNode().put("execute", "migrate-set-parameters");
        line.set("arguments", bandwidth(foundBandwidth));
        if (found.isEmpty()) {
            return line.toString();
        }
        ObjectNode second =
                Json.MAPPER.createObjectNode().put("execute", "migrate-set-capabilities");
        second.set("arguments", arguments(found));
        return line + "\n" + second;
    }

    void undo() throws VmckptException {
        qmp.execute("migrate-set-parameters", bandwidth(foundBandwidth));
        set(found);
    }

    private void set(Map<String, Boolean> states) throws VmckptException {
        if (!states.isEmpty()) {
            qmp.execute("migrate-set-capabilities", arguments(states));
        }
    }

    private static ObjectNode bandwidth(long bytesPerSecond) {
        return Json.MAPPER.createObjectNode().put("max-bandwidth", bytesPerSecond);
    }

    private static ObjectNode arguments(Map<String, Boolean> states) {
        ObjectNode arguments = Json.MAPPER.createObjectNode();
        ArrayNode list = arguments.putArray("capabilities");
        states.forEach(
                (name, state) -> list.addObject().put("capability", name).put("state", state));
        return arguments;
    }
}
