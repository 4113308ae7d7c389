package org.vmckpt.cow.doctor;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.LinuxPlatform;
import org.vmckpt.cow.linux.Userfaultfd;

/** The kernel's userfaultfd, by asking for one. */
final class KernelCheck implements HostCheck {
    private static final String WHAT = "kernel";

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() {
        try {
            LinuxPlatform.require();
        } catch (UnsupportedException e) {
            return Finding.obstacle(WHAT, String.valueOf(e.getMessage()));
        }
        String kernel = "Linux " + KernelSettings.read("/proc/sys/kernel/osrelease").orElse("?");
        try {
            return judge(kernel, Userfaultfd.kernelFeatures());
        } catch (ErrnoException e) {
            return Finding.problem(
                    WHAT,
                    kernel + ": " + e.getMessage(),
                    Set.of(EngineName.UFFD),
                    e.errno() == Errno.EPERM
                            ? "allow the call userfaultfd in the seccomp filter of this container"
                            : "use a kernel with CONFIG_USERFAULTFD, Linux 5.19 or later");
        }
    }

    static Finding judge(String kernel, long features) {
        if (!Userfaultfd.protectsSharedMemory(features)) {
            return Finding.problem(
                    WHAT,
                    kernel + ": userfaultfd cannot write-protect shared memory",
                    Set.of(EngineName.UFFD),
                    "use Linux 5.19 or later with CONFIG_PTE_MARKER_UFFD_WP");
        }
        List<String> missing = new ArrayList<>();
        if (!Userfaultfd.protectsUnpopulatedMemory(features)) {
            missing.add("unpopulated pages (Linux 6.4)");
        }
        if (!Userfaultfd.reportsDiscards(features)) {
            missing.add("remove events: discarded memory goes unnoticed");
        }
        String found =
                kernel + ": userfaultfd write-protects shared memory, also in huge pages of 2 MiB";
        return missing.isEmpty()
                ? Finding.ok(WHAT, found)
                : Finding.note(WHAT, found + ", but lacks " + String.join(", ", missing));
    }
}
