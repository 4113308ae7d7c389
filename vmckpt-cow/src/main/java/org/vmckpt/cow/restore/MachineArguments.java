package org.vmckpt.cow.restore;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.cow.definition.QemuOption;

/**
 * Pins what the recorded arguments left to QEMU: the versioned machine type and the accelerator
 * that were in use. Removes what started or loaded the guest the first time, and adds what makes
 * the new QEMU wait for its state.
 */
final class MachineArguments {
    /** Said once about how the first QEMU came up; a restore has its own way. */
    private static final Set<String> DROPPED =
            Set.of("incoming", "loadvm", "S", "daemonize", "preconfig");

    private MachineArguments() {}

    static List<QemuOption> apply(List<QemuOption> options, GuestDefinition guest) {
        List<QemuOption> changed = new ArrayList<>();
        boolean typeSet = false;
        for (QemuOption option : options) {
            if (DROPPED.contains(option.name()) || isOtherAccelerator(option, guest)) {
                continue;
            }
            if (option.name().equals("machine") && !option.isGiven()) {
                changed.add(pin(option, guest, !typeSet));
                typeSet = true;
            } else {
                changed.add(option);
            }
        }
        if (!typeSet && changed.stream().noneMatch(option -> option.name().equals("machine"))) {
            changed.add(QemuOption.recorded("machine", guest.machineType()));
        }
        changed.add(QemuOption.recorded("incoming", "defer"));
        changed.add(new QemuOption("S", Optional.empty(), QemuOption.Origin.RECORDED));
        return changed;
    }

    private static QemuOption pin(QemuOption option, GuestDefinition guest, boolean first) {
        var properties = option.properties();
        if (first || properties.get("type").isPresent()) {
            properties = properties.with("type", guest.machineType());
        }
        if (properties.get("accel").filter(accel -> accel.contains(":")).isPresent()) {
            properties = properties.with("accel", guest.accelerator());
        }
        return option.withProperties(properties);
    }

    /** Of {@code -accel kvm -accel tcg} only the one that was in use stays. */
    private static boolean isOtherAccelerator(QemuOption option, GuestDefinition guest) {
        return option.name().equals("accel")
                && !option.isGiven()
                && !option.type().equals(guest.accelerator());
    }
}
