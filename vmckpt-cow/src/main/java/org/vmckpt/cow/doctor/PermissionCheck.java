package org.vmckpt.cow.doctor;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.vmckpt.cow.checkpoint.EngineName;

/** What this process may do to a QEMU that is not its child. */
final class PermissionCheck implements HostCheck {
    private static final String WHAT = "permission";

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() {
        return Capabilities.of(ProcessHandle.current().pid())
                .map(PermissionCheck::judge)
                .orElseGet(() -> Finding.unknown(WHAT, "/proc/self/status is not readable"));
    }

    static Finding judge(Capabilities ours) {
        List<String> missing = new ArrayList<>();
        if (!ours.mayTrace()) {
            missing.add("CAP_SYS_PTRACE");
        }
        if (!ours.mayOpenMappedFiles()) {
            missing.add("CAP_CHECKPOINT_RESTORE");
        }
        return missing.isEmpty()
                ? Finding.ok(WHAT, "this process may trace QEMU and open its memory")
                : Finding.problem(
                        WHAT,
                        "this process lacks " + String.join(" and ", missing),
                        Set.of(EngineName.UFFD),
                        "run vmckpt as root, for example with sudo");
    }
}
