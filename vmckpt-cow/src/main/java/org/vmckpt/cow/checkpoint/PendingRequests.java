package org.vmckpt.cow.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashSet;
import java.util.Set;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/**
 * Which disks have requests that are not answered yet. QEMU counts answered requests only; but it
 * shows, since 7.2 and for virtio-blk, how many elements of a device's queues are in use.
 */
final class PendingRequests {
    private PendingRequests() {}

    /** QOM paths of the devices; empty where QEMU cannot tell. */
    static Set<String> devices(QmpClient qmp) throws VmckptException {
        Set<String> waiting = new HashSet<>();
        try {
            for (JsonNode device : qmp.execute("x-query-virtio")) {
                String path = device.path("path").asText();
                if (device.path("name").asText().equals("virtio-blk") && isWaiting(qmp, path)) {
                    waiting.add(path);
                }
            }
        } catch (ProtocolException e) {
            // Another QEMU version: a stop that comes back late is still noticed.
            return Set.of();
        }
        return waiting;
    }

    private static boolean isWaiting(QmpClient qmp, String path) throws VmckptException {
        ObjectNode device = Json.MAPPER.createObjectNode().put("path", path);
        int queues = qmp.execute("x-query-virtio-status", device).path("num-vqs").asInt();
        for (int queue = 0; queue < queues; queue++) {
            ObjectNode arguments = device.deepCopy().put("queue", queue);
            if (qmp.execute("x-query-virtio-queue-status", arguments).path("inuse").asInt() > 0) {
                return true;
            }
        }
        return false;
    }
}
