package org.vmckpt.cow.restore;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.cow.definition.OptionProperties;
import org.vmckpt.cow.definition.QemuOption;

/**
 * Puts the new overlays in place of the disk files in {@code -blockdev} options. A disk may be one
 * node that holds its file ({@code driver=raw,file.filename=…}), a format node over a file node, or
 * a file node alone. Nodes that were only there as backing of a replaced image, or as the file of
 * one that is served now, are left out.
 */
final class BlockNodes {
    private static final Set<String> LOCAL_FILE_DRIVERS =
            Set.of("file", "host_device", "host_cdrom");
    private static final Set<String> FORMAT_DRIVERS = Set.of("raw", "qcow2");
    private static final Set<String> NETWORK_DRIVERS =
            Set.of(
                    "gluster",
                    "io_uring",
                    "iscsi",
                    "nbd",
                    "nfs",
                    "nvme",
                    "nvme-io_uring",
                    "rbd",
                    "ssh",
                    "vhost-user-blk",
                    "virtio-blk-vfio-pci",
                    "virtio-blk-vhost-user",
                    "virtio-blk-vhost-vdpa",
                    "vvfat");

    /** Options of the file driver: they go down with the file when a format is laid over it. */
    private static final List<String> FILE_OPTIONS =
            List.of("aio", "aio-max-batch", "locking", "pr-manager", "drop-cache");

    private final DiskOverlays overlays;
    private final HostPaths paths;
    private final Problems problems;
    private final Map<String, QemuOption> nodes = new HashMap<>();
    private final Deque<String> toDrop = new ArrayDeque<>();

    BlockNodes(DiskOverlays overlays, HostPaths paths, Problems problems) {
        this.overlays = overlays;
        this.paths = paths;
        this.problems = problems;
    }

    /** Whether a driver keeps data where neither a checkpoint nor a new overlay reaches it. */
    static boolean holdsDataElsewhere(String driver) {
        return NETWORK_DRIVERS.contains(driver);
    }

    List<QemuOption> apply(List<QemuOption> options) {
        for (QemuOption option : options) {
            if (option.name().equals("blockdev")) {
                option.id().ifPresent(name -> nodes.put(name, option));
            }
        }
        List<QemuOption> changed = new ArrayList<>();
        for (QemuOption option : options) {
            boolean recordedNode = option.name().equals("blockdev") && !option.isGiven();
            changed.add(recordedNode ? overlay(option) : option);
        }
        return moveFiles(withoutDropped(changed));
    }

    private QemuOption overlay(QemuOption option) {
        OptionProperties properties = option.properties();
        Optional<RestoredDisk> inline = properties.get("file.filename").flatMap(overlays::diskOf);
        if (inline.isPresent()) {
            return option.withProperties(inline(properties, inline.get()));
        }
        Optional<RestoredDisk> own = properties.get("filename").flatMap(overlays::diskOf);
        if (own.isPresent()) {
            return isUnderFormat(option)
                    ? option.withProperties(fileUnderFormat(properties, own.get()))
                    : option.withProperties(bareFile(properties, own.get()));
        }
        Optional<RestoredDisk> volume = overlays.diskOfVolume(properties);
        if (volume.isPresent()) {
            return option.withProperties(volume(properties, volume.get()));
        }
        Optional<RestoredDisk> below =
                properties
                        .get("file")
                        .map(nodes::get)
                        .flatMap(node -> node.properties().get("filename"))
                        .flatMap(overlays::diskOf);
        boolean isFormat = FORMAT_DRIVERS.contains(properties.get("driver").orElse(""));
        return below.isPresent() && isFormat
                ? option.withProperties(overFile(properties, below.get()))
                : option;
    }

    private OptionProperties inline(OptionProperties properties, RestoredDisk disk) {
        if (disk.socket().isPresent()) {
            return served(properties, disk);
        }
        return formatNode(properties)
                .with("file.driver", "file")
                .with("file.filename", disk.overlay().toString());
    }

    /** Below a node that is served it is left out later. */
    private static OptionProperties fileUnderFormat(
            OptionProperties properties, RestoredDisk disk) {
        return disk.socket().isPresent()
                ? properties
                : properties.with("driver", "file").with("filename", disk.overlay().toString());
    }

    private OptionProperties overFile(OptionProperties properties, RestoredDisk disk) {
        return disk.socket().isPresent() ? served(properties, disk) : formatNode(properties);
    }

    /** What was below is not needed any more. */
    private OptionProperties served(OptionProperties properties, RestoredDisk disk) {
        properties.get("file").ifPresent(toDrop::add);
        properties.get("backing").ifPresent(toDrop::add);
        return ServedNode.of(properties, disk);
    }

    /** Unless it is to be served, a file takes the place of what was a volume. */
    private static OptionProperties volume(OptionProperties properties, RestoredDisk disk) {
        if (disk.socket().isPresent()) {
            return ServedNode.of(properties, disk);
        }
        OptionProperties local = properties;
        for (String key : ServedNode.NBD_KEYS) {
            local = local.without(key);
        }
        return local.with("driver", "qcow2")
                .with("file.driver", "file")
                .with("file.filename", disk.overlay().toString());
    }

    private OptionProperties formatNode(OptionProperties properties) {
        properties.get("backing").ifPresent(toDrop::add);
        return properties
                .without("backing")
                .without("offset")
                .without("size")
                .with("driver", "qcow2");
    }

    private static OptionProperties bareFile(OptionProperties properties, RestoredDisk disk) {
        if (disk.socket().isPresent()) {
            return ServedNode.of(properties, disk);
        }
        OptionProperties format =
                properties
                        .without("filename")
                        .with("driver", "qcow2")
                        .with("file.driver", "file")
                        .with("file.filename", disk.overlay().toString());
        for (String key : FILE_OPTIONS) {
            Optional<String> value = properties.get(key);
            if (value.isPresent()) {
                format = format.without(key).with("file." + key, value.get());
            }
        }
        return format;
    }

    private boolean isUnderFormat(QemuOption file) {
        return parents(file).stream().anyMatch(node -> FORMAT_DRIVERS.contains(driverOf(node)));
    }

    private List<QemuOption> parents(QemuOption node) {
        Optional<String> name = node.id();
        return nodes.values().stream()
                .filter(parent -> name.isPresent() && parent.properties().get("file").equals(name))
                .toList();
    }

    private static String driverOf(QemuOption node) {
        return node.properties().get("driver").orElse("");
    }

    private List<QemuOption> withoutDropped(List<QemuOption> options) {
        Set<String> dropped = new HashSet<>();
        while (!toDrop.isEmpty()) {
            String name = toDrop.remove();
            QemuOption node = nodes.get(name);
            if (node == null || isUsedOutside(name, options, dropped)) {
                continue;
            }
            dropped.add(name);
            node.properties().get("file").ifPresent(toDrop::add);
            node.properties().get("backing").ifPresent(toDrop::add);
        }
        return options.stream()
                .filter(o -> !o.name().equals("blockdev") || !dropped.contains(o.id().orElse("")))
                .toList();
    }

    private static boolean isUsedOutside(
            String name, List<QemuOption> options, Set<String> dropped) {
        Optional<String> wanted = Optional.of(name);
        return options.stream()
                .filter(o -> !o.name().equals("blockdev") || !dropped.contains(o.id().orElse("")))
                .map(QemuOption::properties)
                .anyMatch(p ->
                        p.get("file").equals(wanted)
                                || p.get("backing").equals(wanted)
                                || p.get("drive").equals(wanted));
    }

    /** What is left names files that the checkpoint has no state of: they may only be read. */
    private List<QemuOption> moveFiles(List<QemuOption> options) {
        return options.stream()
                .map(o -> o.name().equals("blockdev") && !o.isGiven() ? moveFile(o) : o)
                .toList();
    }

    private QemuOption moveFile(QemuOption option) {
        OptionProperties properties = option.properties();
        String prefix = properties.get("file.driver").isPresent() ? "file." : "";
        String driver = properties.get(prefix + "driver").orElse("");
        String file = properties.get(prefix + "filename").orElse("");
        boolean local = LOCAL_FILE_DRIVERS.contains(driver);
        if (local
                ? overlays.isOverlay(file)
                : !holdsDataElsewhere(driver) || overlays.isServed(properties)) {
            return option;
        }
        if (!isReadOnly(option)) {
            problems.unsupported(
                    "-blockdev %s (%s) can be written, and the checkpoint holds no state of it; restored, two guests would write it: give --arg \"-blockdev …\" with node-name=%s"
                            .formatted(
                                    option.id().orElse(""),
                                    file.isEmpty() ? driver : file,
                                    option.id().orElse("")));
            return option;
        }
        return local
                ? option.withProperties(
                        properties.with(
                                prefix + "filename", paths.read(file, "-blockdev filename")))
                : option;
    }

    private boolean isReadOnly(QemuOption option) {
        return option.properties().isOn("read-only")
                || parents(option).stream()
                        .anyMatch(parent -> parent.properties().isOn("read-only"));
    }
}
