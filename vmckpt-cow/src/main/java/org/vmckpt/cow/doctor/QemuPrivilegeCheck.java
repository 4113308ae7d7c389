package org.vmckpt.cow.doctor;

import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.guard.UserfaultfdSetting;
import org.vmckpt.cow.memory.ProcessStatus;

/** Whether the guest's QEMU itself may use userfaultfd, and what confines it. */
record QemuPrivilegeCheck(long pid) implements Check {
    private static final String WHAT = "confinement";

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() {
        Optional<Capabilities> capabilities = Capabilities.of(pid);
        if (capabilities.isEmpty()) {
            return Finding.unknown(WHAT, "/proc/" + pid + "/status is not readable");
        }
        String user = ProcessStatus.field(pid, "Uid").orElse("?").split("\\s", 2)[0];
        String found = "QEMU runs as uid " + user + label();
        if (capabilities.get().mayTrace() || UserfaultfdSetting.allowsAll()) {
            return Finding.ok(WHAT, found);
        }
        return UserfaultfdSetting.isOurs()
                ? Finding.ok(
                        WHAT,
                        found
                                + ": it may use userfaultfd only while the sysctl"
                                + " vm.unprivileged_userfaultfd is 1, which vmckpt sets for that"
                                + " moment")
                : Finding.problem(
                        WHAT,
                        found + " and may not use userfaultfd",
                        Set.of(EngineName.UFFD, EngineName.BACKGROUND),
                        "sysctl vm.unprivileged_userfaultfd=1");
    }

    /** The label of AppArmor or SELinux. */
    private String label() {
        return KernelSettings.read(Path.of("/proc/" + pid + "/attr/current"))
                .filter(label -> !label.isEmpty())
                .map(label -> ", confined as " + label)
                .orElse("");
    }
}
