package org.vmckpt.cow.restore;

import java.util.Arrays;
import java.util.function.BinaryOperator;
import java.util.stream.Collectors;
import org.vmckpt.cow.definition.OptionProperties;
import org.vmckpt.cow.definition.QemuOption;

/** Moves every path to this host but those of disks and of the QMP socket. */
final class PathArguments {
    private final HostPaths paths;
    private final CharacterDevice characterDevice;

    PathArguments(HostPaths paths, Problems problems) {
        this.paths = paths;
        this.characterDevice = new CharacterDevice(paths, problems);
    }

    QemuOption move(QemuOption option) {
        if (option.isGiven() || option.value().isEmpty()) {
            return option;
        }
        if (CharacterDevice.LEGACY_OPTIONS.contains(option.name())) {
            return characterDevice.moveLegacy(option);
        }
        return switch (option.name()) {
            case "kernel", "initrd", "bios", "dtb", "readconfig" ->
                    option.withText(paths.read(option.text(), "-" + option.name()));
            case "pidfile", "D" -> option.withText(paths.write(option.text(), "-" + option.name()));
            case "mem-path" -> option.withText(paths.memory(option.text(), "-mem-path"));
            case "L" -> option.withText(searchPath(option.text()));
            case "chardev" -> characterDevice.moveChardev(option);
            case "object" -> moveObject(option);
            case "machine" -> read(option, "kernel", "initrd", "dtb", "firmware");
            case "device" -> read(option, "romfile", "file");
            case "fw_cfg", "smbios", "option-rom", "plugin" -> read(option, "file", "romfile");
            case "fsdev", "virtfs" -> read(option, "path");
            case "netdev", "nic", "net" -> read(option, "smb", "tftp", "script", "downscript");
            case "acpitable" -> moveTables(option);
            case "audiodev" -> write(option, "path");
            case "trace" -> write(read(option, "events"), "file");
            case "vnc" -> moveVnc(option);
            case "spice" -> option.properties().isOn("unix") ? write(option, "addr") : option;
            default -> option;
        };
    }

    private QemuOption moveObject(QemuOption option) {
        return switch (option.type()) {
            case "memory-backend-file" -> move(option, "mem-path", paths::memory);
            case "secret", "secret_keyring" -> read(option, "file");
            case "tls-creds-x509", "tls-creds-psk", "tls-creds-anon" -> read(option, "dir");
            case "rng-random", "authz-list-file" -> read(option, "filename");
            case "filter-dump" -> write(option, "file");
            default -> option;
        };
    }

    private QemuOption read(QemuOption option, String... keys) {
        return move(option, paths::read, keys);
    }

    private QemuOption write(QemuOption option, String... keys) {
        return move(option, paths::write, keys);
    }

    private QemuOption move(QemuOption option, String key, BinaryOperator<String> use) {
        return move(option, use, key);
    }

    private static QemuOption move(QemuOption option, BinaryOperator<String> use, String... keys) {
        OptionProperties properties = option.properties();
        for (String key : keys) {
            String path = properties.get(key).orElse("");
            if (!path.isEmpty() && !path.equals("no")) {
                String moved = use.apply(path, "-" + option.name() + " " + key);
                properties = moved.equals(path) ? properties : properties.with(key, moved);
            }
        }
        return option.withProperties(properties);
    }

    /** {@code file=a:b} names several files. */
    private QemuOption moveTables(QemuOption option) {
        OptionProperties properties = option.properties();
        for (String key : new String[] {"file", "data"}) {
            String list = properties.get(key).orElse("");
            if (!list.isEmpty()) {
                String moved =
                        Arrays.stream(list.split(":"))
                                .map(path -> paths.read(path, "-acpitable " + key))
                                .collect(Collectors.joining(":"));
                properties = properties.with(key, moved);
            }
        }
        return option.withProperties(properties);
    }

    private QemuOption moveVnc(QemuOption option) {
        OptionProperties properties = option.properties();
        String address = properties.get("vnc").orElse("");
        if (!address.startsWith("unix:")) {
            return option;
        }
        String path = paths.write(address.substring("unix:".length()), "-vnc");
        return option.withProperties(properties.with("vnc", "unix:" + path));
    }

    /**
     * A folder of firmware files, or {@code help}; QEMU goes on without a folder that is absent.
     */
    private String searchPath(String folder) {
        return folder.equals("help") ? folder : paths.ifPresent(folder);
    }
}
