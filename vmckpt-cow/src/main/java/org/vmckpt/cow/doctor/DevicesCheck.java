package org.vmckpt.cow.doctor;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/** Devices whose state QEMU cannot save: passed through with VFIO, for example. */
record DevicesCheck(QmpClient qmp) implements Check {
    private static final String WHAT = "devices";

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() throws VmckptException {
        List<String> reasons = new ArrayList<>();
        for (JsonNode reason : qmp.execute("query-migrate").path("blocked-reasons")) {
            reasons.add(reason.asText());
        }
        return reasons.isEmpty()
                ? Finding.ok(WHAT, "QEMU can save the state of all of them")
                : Finding.obstacle(
                        WHAT,
                        "QEMU cannot save the guest's state: " + String.join("; ", reasons),
                        "unplug that device: device_del ID in the monitor");
    }
}
