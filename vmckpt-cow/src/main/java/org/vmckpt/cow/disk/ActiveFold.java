package org.vmckpt.cow.disk;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/**
 * Folds the overlay that takes a disk's writes into a file below it, which becomes active again,
 * while the guest runs.
 */
final class ActiveFold {
    private static final Duration LIMIT = Duration.ofHours(6);

    private ActiveFold() {}

    /** When it returns the parent is on disk and active; the overlay's files are still there. */
    static void run(QmpClient qmp, String overlayNode, DiskLayer parent, ProgressListener progress)
            throws VmckptException {
        String job = BlockJobs.ID_PREFIX + "return-" + overlayNode;
        ObjectNode arguments =
                Json.MAPPER
                        .createObjectNode()
                        .put("job-id", job)
                        .put("device", overlayNode)
                        .put("base-node", parent.nodeName())
                        .put("auto-dismiss", false);
        qmp.execute("block-commit", arguments);
        try {
            BlockJobs.await(qmp, job, LIMIT, "fold back overlay", progress);
        } catch (VmckptException e) {
            BlockJobs.settleAfter(qmp, job, e);
            throw e;
        }
        FileSync.file(parent.hostPath());
    }
}
