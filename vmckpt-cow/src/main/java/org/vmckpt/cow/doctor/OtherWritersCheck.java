package org.vmckpt.cow.doctor;

import java.util.Set;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.GuestSession;
import org.vmckpt.cow.memory.GuestMemory;

/** Processes and devices that write guest memory unseen: vhost-user back ends, DPDK, VFIO. */
record OtherWritersCheck(GuestSession guest) implements Check {
    static final String WHAT = "other writers";

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() throws VmckptException {
        try {
            GuestMemory.refuseOtherWriters(guest.pid(), guest.qmp());
            return Finding.ok(WHAT, "nobody but QEMU maps the guest's memory");
        } catch (RefusedException e) {
            return Finding.problem(
                    WHAT,
                    String.valueOf(e.getMessage()),
                    Set.of(EngineName.UFFD, EngineName.BACKGROUND),
                    "unplug the device that the process serves (vhost-user), or end the process");
        }
    }
}
