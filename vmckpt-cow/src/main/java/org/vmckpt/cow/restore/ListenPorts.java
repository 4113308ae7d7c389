package org.vmckpt.cow.restore;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vmckpt.cow.definition.KeyvalProperties;
import org.vmckpt.cow.definition.OptionProperties;
import org.vmckpt.cow.definition.QemuOption;

/**
 * Finds the TCP ports that the new guest would listen on and that are taken, most often by the
 * guest that the checkpoint was taken of. A port may still be taken later: then QEMU says so.
 */
final class ListenPorts {
    private static final int VNC_BASE_PORT = 5900;
    private static final Pattern HOST_FORWARD = Pattern.compile("(?:tcp)?:([^:]*):(\\d+)-.*");
    private static final Pattern TCP_SERVER = Pattern.compile("tcp:([^:]*):(\\d+),(.*)");
    private static final Pattern GDB_SERVER = Pattern.compile("tcp:([^:]*):(\\d+).*");
    private static final Pattern VNC_DISPLAY = Pattern.compile("([^:]*):(\\d+)");

    private final Takeover takeover;
    private final Problems problems;

    ListenPorts(Takeover takeover, Problems problems) {
        this.takeover = takeover;
        this.problems = problems;
    }

    private record Endpoint(String host, int port) {}

    void check(QemuOption option) {
        for (Endpoint endpoint : endpoints(option)) {
            if (takeover.has(option)) {
                takeover.cannotShare("TCP port " + endpoint.port);
            } else if (isTaken(endpoint)) {
                problems.conflict(
                        "%s listens on TCP port %d, which is taken: give --arg \"-%s …\" with %s and another port"
                                .formatted(
                                        option,
                                        endpoint.port,
                                        option.name(),
                                        option.id().map(id -> "id=" + id).orElse("no id")));
            }
        }
    }

    private static List<Endpoint> endpoints(QemuOption option) {
        return switch (option.name()) {
            case "netdev", "nic", "net" -> hostForwards(option);
            case "chardev" -> chardev(option);
            case "serial", "parallel", "monitor", "qmp", "qmp-pretty" ->
                    OptionProperties.parse(option.text(), "address").isOn("server")
                            ? match(TCP_SERVER, option.text().replaceFirst("^mon:", ""))
                            : List.of();
            case "gdb" -> match(GDB_SERVER, option.text());
            case "vnc" -> vnc(option);
            case "s" -> List.of(new Endpoint("", 1234));
            default -> List.of();
        };
    }

    private static List<Endpoint> hostForwards(QemuOption option) {
        List<Endpoint> endpoints = new ArrayList<>();
        if (option.properties() instanceof KeyvalProperties properties) {
            properties.all("hostfwd").forEach(f -> endpoints.addAll(match(HOST_FORWARD, f)));
        }
        return endpoints;
    }

    private static List<Endpoint> chardev(QemuOption option) {
        OptionProperties properties = option.properties();
        boolean fixed = properties.isOn("server") && properties.get("to").isEmpty();
        String host = properties.get("host").orElse("");
        return fixed ? endpoint(host, properties.get("port").orElse("")) : List.of();
    }

    private static List<Endpoint> vnc(QemuOption option) {
        OptionProperties properties = option.properties();
        if (properties.get("to").isPresent()) {
            return List.of();
        }
        return match(VNC_DISPLAY, properties.get("vnc").orElse("")).stream()
                .map(display -> new Endpoint(display.host, VNC_BASE_PORT + display.port))
                .toList();
    }

    private static List<Endpoint> match(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        return matcher.matches() ? endpoint(matcher.group(1), matcher.group(2)) : List.of();
    }

    private static List<Endpoint> endpoint(String host, String port) {
        boolean usable = port.matches("[1-9]\\d{0,4}");
        return usable ? List.of(new Endpoint(host, Integer.parseInt(port))) : List.of();
    }

    private static boolean isTaken(Endpoint endpoint) {
        if (endpoint.port > 0xFFFF) {
            return false;
        }
        try (ServerSocket probe = new ServerSocket()) {
            probe.setReuseAddress(true);
            InetAddress address =
                    endpoint.host.isEmpty() ? null : InetAddress.getByName(endpoint.host);
            probe.bind(new InetSocketAddress(address, endpoint.port));
            return false;
        } catch (IOException e) {
            return true;
        }
    }
}
