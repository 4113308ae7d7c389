package org.vmckpt.cow.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.disk.GuestDisk;

/**
 * Gives a stopped guest its disks back after its device state was written.
 *
 * <p>A finished migration deactivates all disks, for a destination to take over. {@code cont}
 * activates them again, but a guest that was stopped must stay so; QEMU also activates a disk that
 * is exported over NBD, so each is exported, unseen by anybody, for an instant.
 */
final class StoppedDisks {
    private StoppedDisks() {}

    /**
     * Activates disks and all below them.
     *
     * @param disks as they are now: after the fork, with the new overlays on top
     */
    static void reactivate(QmpClient qmp, List<GuestDisk> disks, Path folder)
            throws VmckptException {
        if (disks.isEmpty()) {
            return;
        }
        ObjectNode start = Json.MAPPER.createObjectNode();
        start.putObject("addr")
                .put("type", "unix")
                .putObject("data")
                .put("path", folder.resolve("nbd.sock").toString());
        boolean startedByUs = start(qmp, start);
        List<String> exports = new ArrayList<>();
        try {
            for (GuestDisk disk : disks) {
                String id = "vmckpt-activate-" + exports.size();
                qmp.execute(
                        "block-export-add",
                        Json.MAPPER
                                .createObjectNode()
                                .put("type", "nbd")
                                .put("id", id)
                                .put("node-name", disk.active().nodeName()));
                exports.add(id);
            }
        } finally {
            for (String id : exports) {
                qmp.execute("block-export-del", Json.MAPPER.createObjectNode().put("id", id));
            }
            if (startedByUs) {
                qmp.execute("nbd-server-stop");
            }
        }
    }

    /** False when the guest has an NBD server already, which then serves us too. */
    private static boolean start(QmpClient qmp, ObjectNode arguments) throws VmckptException {
        try {
            qmp.execute("nbd-server-start", arguments);
            return true;
        } catch (ProtocolException e) {
            return false;
        }
    }
}
