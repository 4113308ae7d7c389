package org.vmckpt.cow.doctor;

import java.util.List;
import java.util.Set;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.GuestSession;
import org.vmckpt.cow.memory.GuestMemory;
import org.vmckpt.cow.memory.RamRegion;
import org.vmckpt.cow.memory.UffdAttachment;

/** Attaches for real and lets go: nothing is protected. QEMU stands for less than 1 ms. */
record AttachCheck(GuestSession guest) implements Check {
    private static final String WHAT = "attach";

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() throws VmckptException {
        try (UffdAttachment attachment = UffdAttachment.attach(guest.pid(), regions())) {
            return Finding.ok(WHAT, "QEMU (pid " + attachment.pid() + ") can be attached to");
        } catch (UnsupportedException | RefusedException e) {
            return Finding.problem(
                    WHAT,
                    String.valueOf(e.getMessage()),
                    Set.of(EngineName.UFFD),
                    "do what the error says, or use another engine");
        }
    }

    /** Attaching is tried also when the memory itself is unfit. */
    private List<RamRegion> regions() throws VmckptException {
        try {
            return GuestMemory.inspect(guest.pid(), guest.qmp());
        } catch (UnsupportedException | RefusedException reportedElsewhere) {
            return List.of();
        }
    }
}
