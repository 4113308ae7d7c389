package org.vmckpt.cow.disk;

import org.vmckpt.core.Json;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/** Block nodes that vmckpt added to QEMU. */
final class BlockNodes {
    private BlockNodes() {}

    /** Takes a node out of QEMU if it is there. */
    static void remove(QmpClient qmp, String node) throws VmckptException {
        if (exists(qmp, node)) {
            qmp.execute("blockdev-del", Json.MAPPER.createObjectNode().put("node-name", node));
        }
    }

    private static boolean exists(QmpClient qmp, String node) throws VmckptException {
        var flat = Json.MAPPER.createObjectNode().put("flat", true);
        return qmp.execute("query-named-block-nodes", flat).findValuesAsText("node-name").stream()
                .anyMatch(node::equals);
    }
}
