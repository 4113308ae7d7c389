package org.vmckpt.cow.doctor;

import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.GuestSession;
import org.vmckpt.cow.disk.DiskInventory;
import org.vmckpt.cow.disk.GuestDisk;

/** The guest's writable disks. */
record DiskCheck(GuestSession guest) implements Check {
    private static final String WHAT = "disks";

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() throws VmckptException {
        try {
            List<String> texts = new ArrayList<>();
            for (GuestDisk disk : DiskInventory.discover(guest.qmp(), guest.pid())) {
                texts.add(
                        "%s, %s, %s"
                                .formatted(
                                        disk.name(),
                                        disk.active().format(),
                                        Sizes.format(disk.virtualSizeBytes())));
            }
            return Finding.ok(
                    WHAT, texts.isEmpty() ? "no writable disk" : String.join("; ", texts));
        } catch (UnsupportedException e) {
            return Finding.obstacle(
                    WHAT,
                    String.valueOf(e.getMessage()),
                    "convert the image: qemu-img convert -O qcow2 OLD NEW");
        } catch (RefusedException e) {
            return Finding.obstacle(WHAT, String.valueOf(e.getMessage()));
        }
    }
}
