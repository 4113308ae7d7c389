package org.vmckpt.cow.checkpoint;

import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/** Whether a guest runs, or stands for a reason that lets it be checkpointed all the same. */
enum GuestStatus {
    RUNNING,
    STOPPED;

    static GuestStatus query(QmpClient qmp) throws VmckptException {
        String status = name(qmp);
        return switch (status) {
            case "running" -> RUNNING;
            case "paused", "prelaunch" -> STOPPED;
            case "postmigrate" ->
                    throw refused(
                            qmp,
                            status,
                            "its device state was already taken while it was stopped, and QEMU"
                                    + " gives it only once; send cont, and stop again if need be");
            case "io-error" ->
                    throw refused(qmp, status, "a disk reported an error; mend it and send cont");
            case "inmigrate" -> throw refused(qmp, status, "it waits for an incoming migration");
            default -> throw refused(qmp, status, "bring it to running or paused first");
        };
    }

    /** A finished migration leaves a guest that stood before without its disks. */
    static boolean isLeftByMigration(QmpClient qmp) throws VmckptException {
        return name(qmp).equals("postmigrate");
    }

    private static String name(QmpClient qmp) throws VmckptException {
        return qmp.execute("query-status").path("status").asText();
    }

    private static RefusedException refused(QmpClient qmp, String status, String reason) {
        return new RefusedException(
                "checkpoint over "
                        + qmp.socketPath()
                        + ": the guest's status is "
                        + status
                        + ": "
                        + reason);
    }
}
