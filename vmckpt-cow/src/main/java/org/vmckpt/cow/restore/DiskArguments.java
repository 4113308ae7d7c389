package org.vmckpt.cow.restore;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.vmckpt.cow.definition.JsonProperties;
import org.vmckpt.cow.definition.OptionProperties;
import org.vmckpt.cow.definition.QemuOption;

/**
 * Puts the new overlays in place of the disk files in {@code -drive}, {@code -hda} and their like;
 * {@link BlockNodes} does {@code -blockdev}. Images that are only read are mapped as files. A disk
 * that the guest can write and of which the checkpoint holds nothing is a problem.
 */
final class DiskArguments {
    /** Older options that name a disk by its file alone, and the {@code -drive} that they mean. */
    private static final Map<String, String> SHORTHANDS =
            Map.ofEntries(
                    Map.entry("", "index=0,media=disk"),
                    Map.entry("hda", "index=0,media=disk"),
                    Map.entry("hdb", "index=1,media=disk"),
                    Map.entry("hdc", "index=2,media=disk"),
                    Map.entry("hdd", "index=3,media=disk"),
                    Map.entry("fda", "if=floppy,index=0"),
                    Map.entry("fdb", "if=floppy,index=1"),
                    Map.entry("cdrom", "index=2,media=cdrom"),
                    Map.entry("pflash", "if=pflash"),
                    Map.entry("mtdblock", "if=mtd"),
                    Map.entry("sd", "if=sd"));

    private final DiskOverlays overlays;
    private final HostPaths paths;
    private final Problems problems;

    DiskArguments(DiskOverlays overlays, HostPaths paths, Problems problems) {
        this.overlays = overlays;
        this.paths = paths;
        this.problems = problems;
    }

    List<QemuOption> apply(List<QemuOption> options) {
        List<QemuOption> nodes = new BlockNodes(overlays, paths, problems).apply(options);
        List<QemuOption> changed = new ArrayList<>();
        for (QemuOption option : nodes) {
            changed.add(option.isGiven() ? option : move(option));
        }
        for (RestoredDisk disk : overlays.unused()) {
            problems.unsupported(
                    "disk %s (%s) is not in the recorded arguments: it was plugged in later, and a restore cannot plug it in again"
                            .formatted(disk.device(), disk.argumentPath()));
        }
        return changed;
    }

    private QemuOption move(QemuOption option) {
        if (option.name().equals("drive")) {
            return moveDrive(option);
        }
        String meaning = SHORTHANDS.get(option.name());
        if (meaning == null) {
            return option;
        }
        OptionProperties drive = OptionProperties.parse(meaning, "").with("file", option.text());
        QemuOption moved = moveDrive(QemuOption.recorded("drive", drive.render()));
        boolean overlaid =
                moved.properties().get("format").isPresent()
                        || overlays.isServed(moved.properties());
        return overlaid ? moved : option.withText(fileOf(moved.properties()).orElse(""));
    }

    private QemuOption moveDrive(QemuOption option) {
        OptionProperties properties = option.properties();
        Optional<RestoredDisk> volume = overlays.diskOfVolume(properties);
        if (volume.isPresent()) {
            return option.withProperties(volume(properties, volume.get()));
        }
        Optional<String> file = fileOf(properties);
        if (file.isEmpty() || file.get().isEmpty()) {
            return checkFileless(option, properties);
        }
        Optional<RestoredDisk> disk = overlays.diskOf(file.get());
        if (disk.isPresent()) {
            return option.withProperties(
                    disk.get().socket().isPresent()
                            ? ServedNode.of(properties, disk.get())
                            : overlaid(properties, disk.get().overlay()));
        }
        if (isReadOnly(properties)) {
            return option.withProperties(readOnly(properties, file.get()));
        }
        refuse(option, file.get());
        return option;
    }

    private static OptionProperties volume(OptionProperties properties, RestoredDisk disk) {
        if (disk.socket().isPresent()) {
            return ServedNode.of(properties, disk);
        }
        OptionProperties bare = properties;
        for (String key : ServedNode.NBD_KEYS) {
            bare = bare.without(key);
        }
        return overlaid(bare, disk.overlay());
    }

    private QemuOption checkFileless(QemuOption option, OptionProperties properties) {
        String driver = properties.get("file.driver").or(() -> properties.get("driver")).orElse("");
        boolean network = BlockNodes.holdsDataElsewhere(driver);
        if (network && !isReadOnly(properties) && !overlays.isServed(properties)) {
            refuse(option, driver);
        }
        return option;
    }

    private void refuse(QemuOption option, String file) {
        problems.unsupported(
                "-drive of %s can be written, and the checkpoint holds no state of it; restored, two guests would write it: give --arg \"-drive …\" with its id (%s)"
                        .formatted(
                                file, option.id().orElse("it has none, so this cannot be mended")));
    }

    private static boolean isReadOnly(OptionProperties properties) {
        return properties.isOn("readonly")
                || properties.isOn("read-only")
                || properties.get("media").equals(Optional.of("cdrom"));
    }

    private static OptionProperties overlaid(OptionProperties properties, Path overlay) {
        OptionProperties bare = properties.with("file", overlay.toString());
        for (String key : List.of("driver", "backing", "size", "offset")) {
            bare = bare.without(key);
        }
        return bare.withoutMembers("file").with("format", "qcow2");
    }

    private OptionProperties readOnly(OptionProperties properties, String file) {
        if (isProtocol(file)) {
            return properties;
        }
        String moved = paths.read(file, "-drive file");
        if (properties.get("file.filename").isPresent()) {
            return properties.with("file.filename", moved);
        }
        return properties.with("file", moved);
    }

    /** The path that a drive's properties name, without the prefix {@code file:}. */
    private static Optional<String> fileOf(OptionProperties properties) {
        Optional<String> file =
                properties
                        .get("file")
                        .or(() -> properties.get("file.filename"))
                        .or(() -> properties.get("file.file.filename"));
        return file.map(DiskArguments::plainPath);
    }

    private static String plainPath(String file) {
        if (file.startsWith("json:")) {
            OptionProperties json = OptionProperties.parse(file.substring("json:".length()), "");
            Optional<String> name =
                    json instanceof JsonProperties
                            ? json.get("file.filename").or(() -> json.get("filename"))
                            : Optional.empty();
            return name.orElse(file);
        }
        return file.startsWith("file:") ? file.substring("file:".length()) : file;
    }

    private static boolean isProtocol(String file) {
        return file.matches("[A-Za-z0-9+.-]+:.*");
    }
}
