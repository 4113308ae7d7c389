package org.vmckpt.cow.doctor;

import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.checkpoint.EngineTrial;

/** Whether the guest's state allows a checkpoint, and nobody migrates it. */
record StatusCheck(QmpClient qmp) implements Check {
    private static final String WHAT = "status";

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() throws VmckptException {
        try {
            return Finding.ok(WHAT, "the guest is " + EngineTrial.requireQuiet(qmp));
        } catch (RefusedException e) {
            return Finding.obstacle(WHAT, String.valueOf(e.getMessage()));
        }
    }
}
