package org.vmckpt.cow.disk;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.time.Duration;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/** We shorten the chains, through QEMU's monitor: nobody else keeps account of them. */
public record MonitorChains(QmpClient qmp) implements DiskChains {
    private static final Duration FOLD_LIMIT = Duration.ofHours(6);

    @Override
    public void fold(GuestDisk disk, DiskLayer parent, DiskLayer top, ProgressListener progress)
            throws VmckptException {
        String job = BlockJobs.ID_PREFIX + "fold-" + top.nodeName();
        ObjectNode arguments =
                Json.MAPPER
                        .createObjectNode()
                        .put("job-id", job)
                        .put("device", disk.active().nodeName())
                        .put("top-node", top.nodeName())
                        .put("base-node", parent.nodeName())
                        .put("backing-file", parent.path().toString())
                        .put("auto-dismiss", false);
        qmp.execute("block-commit", arguments);
        try {
            BlockJobs.await(qmp, job, FOLD_LIMIT, "fold disk " + disk.name(), progress);
        } catch (VmckptException e) {
            BlockJobs.settleAfter(qmp, job, e);
            throw e;
        }
    }

    @Override
    public void foldActive(GuestDisk disk, Path active, DiskLayer parent, ProgressListener progress)
            throws VmckptException {
        ActiveFold.run(qmp, disk.active().nodeName(), parent, progress);
    }

    @Override
    public void delete(DiskLayer overlay) throws VmckptException {
        BlockNodes.delete(qmp, overlay);
    }
}
