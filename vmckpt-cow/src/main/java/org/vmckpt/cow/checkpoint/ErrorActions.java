package org.vmckpt.cow.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.disk.GuestDisk;

/**
 * What the devices of a disk do when a request fails: with {@code werror=stop,rerror=stop} they
 * keep it for a retry, else they tell the guest.
 *
 * <p>QMP tells the properties of a device only, not what a drive was given ({@code -drive
 * …,werror=stop}); such a device has {@code auto}.
 */
final class ErrorActions {
    private static final List<String> OPTIONS = List.of("werror", "rerror");
    private static final String STOP = "stop";

    private final QmpClient qmp;
    private final JsonNode drives;

    private ErrorActions(QmpClient qmp, JsonNode drives) {
        this.qmp = qmp;
        this.drives = drives;
    }

    static ErrorActions query(QmpClient qmp) throws VmckptException {
        return new ErrorActions(qmp, qmp.execute("query-block"));
    }

    /** What keeps a failed request from being kept, such as {@code rerror=auto}; empty if kept. */
    Optional<String> obstacle(GuestDisk disk) throws VmckptException {
        String node = disk.active().nodeName();
        boolean found = false;
        for (JsonNode drive : drives) {
            // More than one device may use the node.
            if (drive.path("inserted").path("node-name").asText().equals(node)) {
                found = true;
                Optional<String> obstacle = obstacle(drive.path("qdev").asText());
                if (obstacle.isPresent()) {
                    return obstacle;
                }
            }
        }
        return found ? Optional.empty() : Optional.of("no device that QEMU tells of");
    }

    private Optional<String> obstacle(String device) throws VmckptException {
        for (String option : OPTIONS) {
            String value = property(device, option);
            if (!value.equals(STOP)) {
                return Optional.of(value.isEmpty() ? "no " + option : option + "=" + value);
            }
        }
        return Optional.empty();
    }

    /** Empty if the device has no such property. */
    private String property(String device, String name) throws VmckptException {
        // QEMU names some devices by their id alone.
        String path = device.startsWith("/") ? device : "/machine/peripheral/" + device;
        var arguments = Json.MAPPER.createObjectNode().put("path", path).put("property", name);
        try {
            return qmp.execute("qom-get", arguments).asText();
        } catch (ProtocolException e) {
            return "";
        }
    }
}
