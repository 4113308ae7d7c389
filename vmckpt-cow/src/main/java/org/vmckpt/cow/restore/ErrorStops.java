package org.vmckpt.cow.restore;

import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.cow.definition.OptionProperties;
import org.vmckpt.cow.definition.QemuOption;

/**
 * Has the devices of served disks stop the guest at an error and keep the request ({@code
 * werror=stop,rerror=stop}), unless they were told something else. So a checkpoint can have
 * requests issued again, and a server that is away for too long costs the guest nothing but time.
 */
final class ErrorStops {
    private static final List<String> KEYS = List.of("werror", "rerror");

    private static final List<String> DEVICES =
            List.of("virtio-blk", "scsi-hd", "scsi-disk", "ide-hd");

    /** What makes a device of a drive by itself, and takes the keys. */
    private static final Set<String> INTERFACES = Set.of("virtio", "scsi", "ide");

    private final List<RestoredDisk> disks;
    private final Set<String> served = new HashSet<>();

    ErrorStops(List<RestoredDisk> disks) {
        this.disks = disks;
    }

    List<QemuOption> apply(List<QemuOption> options) {
        for (QemuOption option : options) {
            boolean node = option.name().equals("blockdev") || option.name().equals("drive");
            if (node && ServedNode.isOf(option.properties(), disks)) {
                option.id().ifPresent(served::add);
            }
        }
        return options.stream().map(this::stopping).toList();
    }

    private QemuOption stopping(QemuOption option) {
        OptionProperties properties = option.properties();
        boolean device =
                option.name().equals("device")
                        && DEVICES.stream().anyMatch(option.type()::startsWith)
                        && properties.get("drive").filter(served::contains).isPresent();
        boolean drive =
                option.name().equals("drive")
                        && ServedNode.isOf(properties, disks)
                        && properties.get("if").filter(INTERFACES::contains).isPresent();
        return !option.isGiven() && (device || drive)
                ? option.withProperties(stopping(properties))
                : option;
    }

    private static OptionProperties stopping(OptionProperties properties) {
        OptionProperties changed = properties;
        for (String key : KEYS) {
            Optional<String> told = properties.get(key).filter(it -> !it.equals("auto"));
            if (told.isEmpty()) {
                changed = changed.with(key, "stop");
            }
        }
        return changed;
    }
}
