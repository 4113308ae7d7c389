package org.vmckpt.cow.memory;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/** A guest's devices by which it gives memory back, by their paths in QEMU's object tree. */
public record DiscardingDevices(QmpClient qmp) {
    private static final List<String> FOLDERS =
            List.of("/machine/peripheral", "/machine/peripheral-anon");

    public List<String> balloons() throws VmckptException {
        return devices("virtio-balloon");
    }

    /** Devices of memory that is plugged and unplugged in small pieces. */
    public List<String> virtioMem() throws VmckptException {
        return devices("virtio-mem");
    }

    private List<String> devices(String type) throws VmckptException {
        List<String> paths = new ArrayList<>();
        for (String folder : FOLDERS) {
            for (JsonNode child : qmp.execute("qom-list", path(folder))) {
                if (child.path("type").asText().startsWith("child<" + type)) {
                    paths.add(folder + "/" + child.path("name").asText());
                }
            }
        }
        return paths;
    }

    /** Whether a balloon gives back whatever the guest does not use just now. */
    public boolean reportsFreePages(String balloon) throws VmckptException {
        try {
            return qmp.execute("qom-get", path(balloon).put("property", "free-page-reporting"))
                    .asBoolean();
        } catch (ProtocolException withoutThatProperty) {
            return false;
        }
    }

    private static ObjectNode path(String path) {
        return Json.MAPPER.createObjectNode().put("path", path);
    }
}
