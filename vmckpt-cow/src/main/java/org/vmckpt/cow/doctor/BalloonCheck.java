package org.vmckpt.cow.doctor;

import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.memory.DiscardingDevices;

/** Devices by which the guest gives memory back, which voids a checkpoint that is under way. */
record BalloonCheck(QmpClient qmp) implements Check {
    private static final String WHAT = "balloon";

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() throws VmckptException {
        DiscardingDevices devices = new DiscardingDevices(qmp);
        List<String> found = new ArrayList<>();
        for (String balloon : devices.balloons()) {
            found.add(devices.reportsFreePages(balloon) ? "reports free pages" : "is there");
        }
        if (!devices.virtioMem().isEmpty()) {
            found.add("virtio-mem is there");
        }
        if (found.isEmpty()) {
            return Finding.ok(WHAT, "none: the guest gives no memory back");
        }
        return Finding.note(
                WHAT,
                "a balloon "
                        + String.join(", ", found)
                        + ": a checkpoint during which the guest gives memory back is taken again,"
                        + " and refused after some attempts",
                "keep the balloon still during a checkpoint; start the guest with"
                        + " free-page-reporting=off");
    }
}
