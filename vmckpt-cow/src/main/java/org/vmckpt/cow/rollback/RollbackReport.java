package org.vmckpt.cow.rollback;

import java.util.List;
import java.util.Optional;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.cow.restore.RestoreReport;

/**
 * The guest after a rollback.
 *
 * @param from the checkpoint that it runs from
 * @param safety the checkpoint that was taken of it before
 * @param oldPid of the QEMU that is gone
 * @param standstillMillis from the stop of the old guest until the new one ran
 * @param oldDisks the files that the old guest wrote to; nobody uses them now
 * @param keptFiles logs and the like of the old guest, by their new names
 */
public record RollbackReport(
        CheckpointId from,
        Optional<CheckpointId> safety,
        long oldPid,
        RestoreReport guest,
        long standstillMillis,
        List<String> oldDisks,
        List<String> keptFiles) {

    public RollbackReport {
        oldDisks = List.copyOf(oldDisks);
        keptFiles = List.copyOf(keptFiles);
    }
}
