package org.vmckpt.cow.restore;

import org.vmckpt.core.Manifest;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.definition.QemuCommandLine;
import org.vmckpt.cow.memory.FreeMemory;

/** Whether this host has the memory for a guest, and for two if one makes way later. */
final class HostMemory {
    private HostMemory() {}

    static void check(QemuCommandLine line, Manifest manifest, Takeover takeover, Problems problems)
            throws VmckptException {
        HugePageDemand huge = HugePageDemand.of(line, manifest.memory());
        if (takeover.isNobody()) {
            huge.check(problems);
            return;
        }
        Problems besideTheOldGuest = new Problems();
        huge.check(besideTheOldGuest);
        if (besideTheOldGuest.any()) {
            takeover.cannotShare("the host's huge pages");
        } else if (FreeMemory.bytes() < manifest.memoryBytes()) {
            takeover.cannotShare("the host's memory");
        }
    }
}
