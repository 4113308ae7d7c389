package org.vmckpt.cow.restore;

import java.nio.file.Path;
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
 * a file node alone. Nodes that were only there as backing of a replaced image are left out: the
 * overlay brings its own.
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

    private static final List<String> NBD_OPTIONS =
            List.of(
                    "server",
                    "export",
                    "path",
                    "reconnect-delay",
                    "open-timeout",
                    "tls-creds",
                    "tls-hostname",
                    "x-dirty-bitmap");

    private final DiskOverlays overlays;
    private final HostPaths paths;
    private final Problems problems;
    private final Map<String, QemuOption> nodes = new HashMap<>();
    private final Deque<String> droppedBackings = new ArrayDeque<>();

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
        return moveFiles(withoutDroppedBackings(changed));
    }

    private QemuOption overlay(QemuOption option) {
        OptionProperties properties = option.properties();
        Optional<Path> inline = properties.get("file.filename").flatMap(overlays::overlayOf);
        if (inline.isPresent()) {
            return option.withProperties(
                    formatNode(properties)
                            .with("file.driver", "file")
                            .with("file.filename", inline.get().toString()));
        }
        Optional<Path> own = properties.get("filename").flatMap(overlays::overlayOf);
        if (own.isPresent()) {
            return option.withProperties(
                    isUnderFormat(option)
                            ? properties
                                    .with("driver", "file")
                                    .with("filename", own.get().toString())
                            : bareFile(properties, own.get()));
        }
        Optional<Path> volume = overlays.overlayOfVolume(properties);
        if (volume.isPresent()) {
            return option.withProperties(localDisk(properties, volume.get()));
        }
        Optional<QemuOption> child = properties.get("file").map(nodes::get);
        boolean overOverlay =
                child.flatMap(node -> node.properties().get("filename"))
                        .flatMap(overlays::overlayOf)
                        .isPresent();
        boolean isFormat = FORMAT_DRIVERS.contains(properties.get("driver").orElse(""));
        return overOverlay && isFormat ? option.withProperties(formatNode(properties)) : option;
    }

    /** A file instead of what was a volume: no one needs to serve it. */
    private static OptionProperties localDisk(OptionProperties properties, Path overlay) {
        OptionProperties local = properties;
        for (String key : NBD_OPTIONS) {
            local = local.without(key);
        }
        return local.with("driver", "qcow2")
                .with("file.driver", "file")
                .with("file.filename", overlay.toString());
    }

    private OptionProperties formatNode(OptionProperties properties) {
        properties.get("backing").ifPresent(droppedBackings::add);
        return properties
                .without("backing")
                .without("offset")
                .without("size")
                .with("driver", "qcow2");
    }

    private OptionProperties bareFile(OptionProperties properties, Path overlay) {
        OptionProperties format =
                properties
                        .without("filename")
                        .with("driver", "qcow2")
                        .with("file.driver", "file")
                        .with("file.filename", overlay.toString());
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

    private List<QemuOption> withoutDroppedBackings(List<QemuOption> options) {
        Set<String> dropped = new HashSet<>();
        while (!droppedBackings.isEmpty()) {
            String name = droppedBackings.remove();
            QemuOption node = nodes.get(name);
            if (node == null || isUsedOutside(name, options, dropped)) {
                continue;
            }
            dropped.add(name);
            node.properties().get("file").ifPresent(droppedBackings::add);
            node.properties().get("backing").ifPresent(droppedBackings::add);
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
        if (local ? overlays.isOverlay(file) : !holdsDataElsewhere(driver)) {
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
