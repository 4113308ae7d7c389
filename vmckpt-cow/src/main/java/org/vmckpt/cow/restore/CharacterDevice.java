package org.vmckpt.cow.restore;

import java.util.Set;
import org.vmckpt.cow.definition.KeyvalProperties;
import org.vmckpt.cow.definition.OptionProperties;
import org.vmckpt.cow.definition.QemuOption;

/**
 * Moves the paths of character devices to this host: {@code -chardev}, and the older texts of
 * {@code -serial}, {@code -monitor} and their like, such as {@code unix:/path,server=on}.
 */
final class CharacterDevice {
    /** The options whose value is a character device written in the older way. */
    static final Set<String> LEGACY_OPTIONS =
            Set.of("serial", "parallel", "monitor", "qmp", "qmp-pretty", "debugcon", "gdb");

    private final HostPaths paths;
    private final Problems problems;

    CharacterDevice(HostPaths paths, Problems problems) {
        this.paths = paths;
        this.problems = problems;
    }

    QemuOption moveChardev(QemuOption option) {
        OptionProperties properties = option.properties();
        properties =
                switch (option.type()) {
                    case "socket" -> moveSocket(option, properties);
                    case "file" -> moveFile(option, properties);
                    case "pipe" -> movePipe(option, properties);
                    case "serial", "tty", "parallel", "parport" ->
                            refuseHostDevice(option, properties);
                    default -> properties;
                };
        String logFile = properties.get("logfile").orElse("");
        if (!logFile.isEmpty()) {
            properties = properties.with("logfile", paths.write(logFile, describe(option)));
        }
        return option.withProperties(properties);
    }

    private OptionProperties moveSocket(QemuOption option, OptionProperties properties) {
        if (properties.get("fd").isPresent()) {
            problems.unsupported(
                    "%s uses a file descriptor that was passed to QEMU: give --arg \"-chardev null,id=%s\""
                            .formatted(describe(option), option.id().orElse("ID")));
            return properties;
        }
        String path = properties.get("path").orElse("");
        if (path.isEmpty() || properties.isOn("abstract")) {
            return properties;
        }
        return properties.with("path", socket(path, properties.isOn("server"), describe(option)));
    }

    private String socket(String path, boolean server, String option) {
        return server ? paths.write(path, option) : paths.read(path, option);
    }

    private OptionProperties moveFile(QemuOption option, OptionProperties properties) {
        OptionProperties moved = properties;
        String input = properties.get("input-path").orElse("");
        if (!input.isEmpty()) {
            moved = moved.with("input-path", paths.read(input, describe(option)));
        }
        String path = properties.get("path").orElse("");
        return path.isEmpty() ? moved : moved.with("path", paths.write(path, describe(option)));
    }

    private OptionProperties movePipe(QemuOption option, OptionProperties properties) {
        String path = properties.get("path").orElse("");
        return path.isEmpty()
                ? properties
                : properties.with("path", paths.read(path, describe(option)));
    }

    private OptionProperties refuseHostDevice(QemuOption option, OptionProperties properties) {
        problems.unsupported(
                "%s passes a device of the host through: give --arg \"-chardev null,id=%s\""
                        .formatted(describe(option), option.id().orElse("ID")));
        return properties;
    }

    QemuOption moveLegacy(QemuOption option) {
        String text = option.text();
        String prefix = text.startsWith("mon:") ? "mon:" : "";
        String device = text.substring(prefix.length());
        String moved = moveText(option, device);
        return moved.equals(device) ? option : option.withText(prefix + moved);
    }

    private String moveText(QemuOption option, String device) {
        if (device.startsWith("unix:")) {
            return "unix:" + moveUnix(option, device.substring("unix:".length()));
        }
        if (device.startsWith("file:")) {
            return "file:" + paths.write(device.substring("file:".length()), describe(option));
        }
        if (device.startsWith("pipe:")) {
            return "pipe:" + paths.read(device.substring("pipe:".length()), describe(option));
        }
        if (device.startsWith("/dev/") && !device.equals("/dev/null")) {
            problems.unsupported(
                    "%s passes a device of the host through: give --arg \"-%s null\""
                            .formatted(describe(option), option.name()));
        }
        return device;
    }

    /** {@code path,server=on,…}: the first word is the path. */
    private String moveUnix(QemuOption option, String text) {
        if (OptionProperties.parse(text, "path") instanceof KeyvalProperties properties) {
            String path = properties.get("path").orElse("");
            String moved = socket(path, properties.isOn("server"), describe(option));
            return moved.equals(path) ? text : properties.with("path", moved).render();
        }
        return text;
    }

    private static String describe(QemuOption option) {
        return option.id().map(id -> "-" + option.name() + " " + id).orElse("-" + option.name());
    }
}
