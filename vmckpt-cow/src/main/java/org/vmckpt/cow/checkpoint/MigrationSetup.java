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
 * Sets QEMU's migration up to write the device state alone, and puts back what it found.
 *
 * <p>All other capabilities are switched off: each of them changes the stream or the way it is
 * sent.
 */
final class MigrationSetup {
    private static final Set<String> WANTED = Set.of("x-ignore-shared", "events");
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
    private final Map<String, Boolean> found;

    private MigrationSetup(QmpClient qmp, Map<String, Boolean> found) {
        this.qmp = qmp;
        this.found = found;
    }

    static MigrationSetup apply(QmpClient qmp) throws VmckptException {
        refuseMigrationUnderWay(qmp);
        refuseTls(qmp);
        Map<String, Boolean> found = new TreeMap<>();
        Map<String, Boolean> wanted = new TreeMap<>();
        for (JsonNode capability : qmp.execute("query-migrate-capabilities")) {
            String name = capability.path("capability").asText();
            boolean state = capability.path("state").asBoolean();
            if (state != WANTED.contains(name)) {
                found.put(name, state);
                wanted.put(name, !state);
            }
        }
        MigrationSetup setup = new MigrationSetup(qmp, found);
        setup.set(wanted);
        return setup;
    }

    private static void refuseMigrationUnderWay(QmpClient qmp) throws VmckptException {
        String status = qmp.execute("query-migrate").path("status").asText("none");
        if (BUSY.contains(status)) {
            throw new RefusedException(
                    "checkpoint over "
                            + qmp.socketPath()
                            + ": the guest is being migrated ("
                            + status
                            + "); wait for it, or end it with migrate_cancel");
        }
    }

    private static void refuseTls(QmpClient qmp) throws VmckptException {
        String credentials = qmp.execute("query-migrate-parameters").path("tls-creds").asText("");
        if (!credentials.isEmpty()) {
            throw new UnsupportedException(
                    "checkpoint over "
                            + qmp.socketPath()
                            + ": migration is set up with TLS credentials \""
                            + credentials
                            + "\"; unset them with migrate-set-parameters tls-creds=\"\"");
        }
    }

    /** The QMP line that puts the capabilities back; for the guard. */
    String undoLine() {
        ObjectNode line = Json.MAPPER.createObjectNode().put("execute", "migrate-set-capabilities");
        line.set("arguments", arguments(found));
        return line.toString();
    }

    void undo() throws VmckptException {
        set(found);
    }

    private void set(Map<String, Boolean> states) throws VmckptException {
        if (!states.isEmpty()) {
            qmp.execute("migrate-set-capabilities", arguments(states));
        }
    }

    private static ObjectNode arguments(Map<String, Boolean> states) {
        ObjectNode arguments = Json.MAPPER.createObjectNode();
        ArrayNode list = arguments.putArray("capabilities");
        states.forEach(
                (name, state) -> list.addObject().put("capability", name).put("state", state));
        return arguments;
    }
}
