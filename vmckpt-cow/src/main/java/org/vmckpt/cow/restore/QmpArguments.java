package org.vmckpt.cow.restore;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vmckpt.cow.definition.OptionProperties;
import org.vmckpt.cow.definition.QemuOption;

/**
 * Gives the guest's QMP socket its new path: of several, the one that the checkpoint was taken
 * through, else the first on a Unix socket. A guest without one gets one.
 */
final class QmpArguments {
    private final Path recordedPath;
    private final Path newPath;
    private final PathMap map;

    QmpArguments(Path recordedPath, Path newPath, PathMap map) {
        this.recordedPath = recordedPath;
        this.newPath = newPath;
        this.map = map;
    }

    /**
     * Moves the socket, or adds one.
     *
     * @param changed receives the option that now makes the QMP socket: its path needs no mapping
     */
    List<QemuOption> apply(List<QemuOption> options, List<QemuOption> changed) {
        List<QemuOption> sockets = options.stream().filter(o -> isQmp(o, options)).toList();
        Optional<QemuOption> chosen =
                sockets.stream()
                        .filter(o -> map.recorded(Path.of(path(o))).equals(recordedPath))
                        .findFirst()
                        .or(() -> sockets.stream().findFirst());
        QemuOption option = chosen.map(this::moved).orElseGet(this::fresh);
        changed.add(option);
        List<QemuOption> result = new ArrayList<>(options);
        if (chosen.isPresent()) {
            result.set(result.indexOf(chosen.get()), option);
        } else {
            result.add(option);
        }
        return result;
    }

    private static boolean isQmp(QemuOption option, List<QemuOption> options) {
        return switch (option.name()) {
            case "qmp", "qmp-pretty" -> option.text().startsWith("unix:");
            case "chardev" ->
                    option.type().equals("socket")
                            && options.stream().anyMatch(mon -> isControl(mon, option));
            default -> false;
        };
    }

    private static boolean isControl(QemuOption monitor, QemuOption chardev) {
        String id = chardev.id().orElse("");
        if (monitor.name().startsWith("qmp")) {
            return monitor.text().equals("chardev:" + id);
        }
        OptionProperties properties = monitor.properties();
        return monitor.name().equals("mon")
                && properties.get("mode").equals(Optional.of("control"))
                && properties.get("chardev").equals(Optional.of(id));
    }

    private static String path(QemuOption option) {
        return option.name().equals("chardev")
                ? option.properties().get("path").orElse("")
                : unix(option).get("path").orElse("");
    }

    private static OptionProperties unix(QemuOption option) {
        return OptionProperties.parse(option.text().substring("unix:".length()), "path");
    }

    private QemuOption moved(QemuOption option) {
        if (option.name().equals("chardev")) {
            return option.withProperties(listening(addressless(option.properties())));
        }
        return option.withText("unix:" + listening(unix(option)).render());
    }

    private QemuOption fresh() {
        return QemuOption.recorded(
                "qmp", "unix:" + listening(OptionProperties.parse("", "path")).render());
    }

    /** The socket may have been a descriptor passed by whoever started QEMU, or a TCP port. */
    private static OptionProperties addressless(OptionProperties properties) {
        OptionProperties bare = properties;
        for (String key : List.of("fd", "host", "port", "to", "ipv4", "ipv6", "abstract")) {
            bare = bare.without(key);
        }
        return bare;
    }

    private OptionProperties listening(OptionProperties properties) {
        return properties.with("path", newPath.toString()).with("server", "on").with("wait", "off");
    }
}
