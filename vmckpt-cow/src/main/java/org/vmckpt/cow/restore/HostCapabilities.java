package org.vmckpt.cow.restore;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.StorageException;
import org.vmckpt.cow.definition.HostCpu;
import org.vmckpt.cow.definition.QemuCommandLine;
import org.vmckpt.cow.definition.QemuOption;

/** What this host offers to a guest: only KVM guests depend on it. */
record HostCapabilities(boolean hasKvm, Set<String> cpuFlags) {

    static HostCapabilities ofThisHost() throws StorageException {
        Path kvm = Path.of("/dev/kvm");
        return new HostCapabilities(
                Files.isReadable(kvm) && Files.isWritable(kvm), Set.copyOf(HostCpu.flags()));
    }

    void check(GuestDefinition guest, QemuCommandLine line, Problems problems) {
        if (!guest.accelerator().equals("kvm")) {
            return;
        }
        if (!hasKvm) {
            problems.unsupported(
                    "the guest runs under KVM, and /dev/kvm is missing or not accessible: load"
                            + " kvm_intel or kvm_amd, or allow this user to open it");
        }
        Set<String> missing = new TreeSet<>(guest.hostCpuFlags());
        missing.removeAll(cpuFlags);
        if (!missing.isEmpty() && showsHostCpu(line)) {
            problems.unsupported(
                    "the guest was started with its host's own CPU, and this host's lacks %s: restore on a host that has them or, if the guest can do without, give --arg \"-cpu MODEL\""
                            .formatted(
                                    missing.stream().limit(20).collect(Collectors.joining(", "))));
        }
    }

    private static boolean showsHostCpu(QemuCommandLine line) {
        return line.named("cpu").stream()
                .filter(option -> !option.isGiven())
                .map(QemuOption::type)
                .anyMatch(model -> model.equals("host") || model.equals("max"));
    }
}
