package org.vmckpt.cow.restore;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.cow.definition.OptionProperties;
import org.vmckpt.cow.definition.QemuOption;

/**
 * Finds what ties a guest to the host it ran on: network taps, devices passed through, processes
 * that share its memory, descriptors that were passed to QEMU. A restore does not guess: the user
 * says what takes their place.
 */
final class HostBoundArguments {
    private static final Set<String> HOST_NETWORKS =
            Set.of(
                    "af-xdp",
                    "bridge",
                    "l2tpv3",
                    "netmap",
                    "passt",
                    "tap",
                    "vde",
                    "vhost-user",
                    "vhost-vdpa",
                    "vmnet-bridged",
                    "vmnet-host",
                    "vmnet-shared");
    private static final List<String> HOST_DEVICES =
            List.of(
                    "vfio-",
                    "vhost-",
                    "usb-host",
                    "usb-redir",
                    "scsi-generic",
                    "virtio-gpu-rutabaga");
    private static final Set<String> HOST_OBJECTS =
            Set.of(
                    "cryptodev-vhost-user",
                    "input-linux",
                    "iommufd",
                    "memory-backend-epc",
                    "pr-manager-helper",
                    "sev-guest",
                    "sev-snp-guest",
                    "x-remote-object",
                    "x-vfio-user-server");

    private final Takeover takeover;
    private final Problems problems;

    HostBoundArguments(Takeover takeover, Problems problems) {
        this.takeover = takeover;
        this.problems = problems;
    }

    void check(QemuOption option) {
        if (option.isGiven()) {
            return;
        }
        switch (option.name()) {
            case "netdev" -> checkNetwork(option, "-netdev user,id=" + option.id().orElse("ID"));
            case "nic" -> checkNetwork(option, "-nic user");
            case "net" -> checkNetwork(option, "-net user");
            case "device" -> checkDevice(option);
            case "object" -> checkObject(option);
            case "tpmdev" ->
                    problems.unsupported(
                            "-tpmdev %s keeps state outside QEMU that no checkpoint holds"
                                    .formatted(option.text()));
            case "add-fd" ->
                    problems.unsupported(
                            "-add-fd %s is a file descriptor that was passed to QEMU, and cannot be passed again"
                                    .formatted(option.text()));
            case "usbdevice" -> checkUsb(option);
            default -> {}
        }
    }

    private void checkNetwork(QemuOption option, String instead) {
        OptionProperties properties = option.properties();
        boolean passed =
                properties.get("fd").or(() -> properties.get("fds")).isPresent()
                        || properties.get("local.str").isPresent();
        if (!passed && HOST_NETWORKS.contains(option.type()) && takeover.has(option)) {
            takeover.cannotShare(option.toString());
        } else if (HOST_NETWORKS.contains(option.type()) || passed) {
            problems.unsupported(
                    "-%s %s is tied to the network of the checkpoint's host: give --arg \"%s\", or your own -%s %s"
                            .formatted(
                                    option.name(),
                                    option.text(),
                                    instead,
                                    option.name(),
                                    idOf(option)));
        }
    }

    private static String idOf(QemuOption option) {
        Optional<String> id = option.id();
        return id.map(text -> "with id=" + text).orElse("without an id");
    }

    private void checkDevice(QemuOption option) {
        String driver = option.type();
        if (HOST_DEVICES.stream().anyMatch(driver::startsWith)) {
            problems.unsupported(
                    "-device %s is tied to the checkpoint's host; if this host has its like give --arg \"-device %s,…\" %s"
                            .formatted(option.text(), driver, idOf(option)));
        }
    }

    private void checkObject(QemuOption option) {
        if (HOST_OBJECTS.contains(option.type())) {
            problems.unsupported(
                    "-object %s is tied to the checkpoint's host; if this host has its like give --arg \"-object %s,…\" %s"
                            .formatted(option.text(), option.type(), idOf(option)));
        }
    }

    private void checkUsb(QemuOption option) {
        if (option.text().startsWith("host:")) {
            problems.unsupported(
                    "-usbdevice %s passes a device of the host through: no restore can take it along"
                            .formatted(option.text()));
        }
    }
}
