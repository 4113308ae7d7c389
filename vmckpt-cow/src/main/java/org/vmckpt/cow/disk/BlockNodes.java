package org.vmckpt.cow.disk;

import java.io.IOException;
import java.nio.file.Files;
import org.vmckpt.core.Json;
import org.vmckpt.core.StorageException;
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

    /** Takes a folded overlay out of QEMU and deletes its file. */
    static void delete(QmpClient qmp, DiskLayer overlay) throws VmckptException {
        remove(qmp, overlay.nodeName());
        remove(qmp, overlay.fileNodeName());
        try {
            Files.delete(overlay.hostPath());
        } catch (IOException e) {
            throw new StorageException(
                    "deleting folded overlay " + overlay.hostPath() + ": " + e, e);
        }
    }
}
