package org.vmckpt.cow.doctor;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.cow.checkpoint.EngineName;

/** Security modules that can forbid tracing even to root. */
final class TracingCheck implements HostCheck {
    private static final String WHAT = "tracing";
    private static final String NOBODY_MAY_TRACE = "3";

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() {
        return judge(
                KernelSettings.read("/proc/sys/kernel/yama/ptrace_scope"),
                KernelSettings.read("/sys/fs/selinux/booleans/deny_ptrace"),
                KernelSettings.read("/sys/module/apparmor/parameters/enabled"));
    }

    static Finding judge(
            Optional<String> yama, Optional<String> denyPtrace, Optional<String> appArmor) {
        if (yama.orElse("").equals(NOBODY_MAY_TRACE)) {
            return Finding.problem(
                    WHAT,
                    "kernel.yama.ptrace_scope is 3: nobody may trace until the next boot",
                    Set.of(EngineName.UFFD),
                    "set kernel.yama.ptrace_scope = 2 or less in /etc/sysctl.d and reboot");
        }
        if (denyPtrace.orElse("").startsWith("1")) {
            return Finding.problem(
                    WHAT,
                    "SELinux's boolean deny_ptrace is on",
                    Set.of(EngineName.UFFD),
                    "setsebool deny_ptrace off");
        }
        List<String> found = new ArrayList<>();
        yama.ifPresent(scope -> found.add("kernel.yama.ptrace_scope is " + scope));
        denyPtrace.ifPresent(off -> found.add("SELinux allows it"));
        if (appArmor.orElse("").equals("Y")) {
            found.add("AppArmor is on, and QEMU's profile may forbid it");
        }
        return Finding.ok(WHAT, found.isEmpty() ? "no security module is against it" : join(found));
    }

    private static String join(List<String> parts) {
        return String.join("; ", parts);
    }
}
