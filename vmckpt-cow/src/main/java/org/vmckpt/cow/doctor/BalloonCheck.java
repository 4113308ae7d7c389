package org.vmckpt.cow.doctor;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/** Devices by which the guest gives memory back, which voids a checkpoint that is under way. */
record BalloonCheck(QmpClient qmp) implements Check {
    private static final String WHAT = "balloon";
    private static final List<String> FOLDERS =
            List.of("/machine/peripheral", "/machine/peripheral-anon");

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() throws VmckptException {
        List<String> balloons = devices("virtio-balloon");
        List<String> found = new ArrayList<>();
        for (String balloon : balloons) {
            found.add(reportsFreePages(balloon) ? "reports free pages" : "is there");
        }
        if (!devices("virtio-mem").isEmpty()) {
            found.add("virtio-mem is there");
        }
        if (found.isEmpty()) {
            return Finding.ok(WHAT, "none: the guest gives no memory back");
        }
        return Finding.note(
                WHAT,
                "a balloon "
                        + String.join(", ", found)
                        + ": a checkpoint during which the guest gives memory back is taken again,"
                        + " and refused after some attempts",
                "keep the balloon still during a checkpoint; start the guest with"
                        + " free-page-reporting=off");
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

    private boolean reportsFreePages(String device) throws VmckptException {
        try {
            return qmp.execute("qom-get", path(device).put("property", "free-page-reporting"))
                    .asBoolean();
        } catch (ProtocolException withoutThatProperty) {
            return false;
        }
    }

    private static ObjectNode path(String path) {
        return Json.MAPPER.createObjectNode().put("path", path);
    }
}
