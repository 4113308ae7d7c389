package org.vmckpt.cow.guestagent;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/** Finds the guest agent's socket by asking QEMU for the port that every agent listens at. */
public final class AgentSocketSearch {
    private static final String PORT_NAME = "org.qemu.guest_agent.0";
    private static final String PORT_TYPE = "child<virtserialport>";
    private static final String[] DEVICES = {"/machine/peripheral", "/machine/peripheral-anon"};

    /** As QEMU describes a socket that it opened: {@code disconnected:unix:PATH,server=on}. */
    private static final Pattern UNIX_SOCKET = Pattern.compile("unix:(.+),server.*");

    private AgentSocketSearch() {}

    /**
     * The port's socket.
     *
     * @param open whether a program in the guest has opened the port
     */
    public record Found(Path socket, boolean open) {}

    /** Empty when the guest has no such port, or its other end is no Unix socket of QEMU's. */
    public static Optional<Found> find(QmpClient qmp, long pid) throws VmckptException {
        for (String folder : DEVICES) {
            for (JsonNode device : qmp.execute("qom-list", arguments("path", folder))) {
                String path = folder + "/" + device.path("name").asText();
                if (device.path("type").asText().equals(PORT_TYPE)
                        && property(qmp, path, "name").equals(PORT_NAME)) {
                    return socket(qmp, property(qmp, path, "chardev"), pid);
                }
            }
        }
        return Optional.empty();
    }

    private static Optional<Found> socket(QmpClient qmp, String chardev, long pid)
            throws VmckptException {
        for (JsonNode device : qmp.execute("query-chardev")) {
            Matcher matcher = UNIX_SOCKET.matcher(device.path("filename").asText());
            if (device.path("label").asText().equals(chardev) && matcher.find()) {
                Path seen = Path.of("/proc", Long.toString(pid), "cwd").resolve(matcher.group(1));
                return Optional.of(new Found(seen, device.path("frontend-open").asBoolean()));
            }
        }
        return Optional.empty();
    }

    /** Empty when the device does not have it. */
    private static String property(QmpClient qmp, String path, String name) throws VmckptException {
        try {
            return qmp.execute("qom-get", arguments("path", path).put("property", name)).asText();
        } catch (ProtocolException e) {
            return "";
        }
    }

    private static ObjectNode arguments(String name, String value) {
        return Json.MAPPER.createObjectNode().put(name, value);
    }
}
